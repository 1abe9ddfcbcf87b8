//! Microsoft Graph: Defender for Identity, Entra, alerts and hunting.
