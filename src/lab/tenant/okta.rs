//! Okta users and their status machine.

use super::super::{ids, scenario};
use crate::model::time::At;

/// An Okta user.
pub(crate) struct OktaUser {
    pub(crate) id: String,
    pub(crate) login: String,
    pub(crate) status: Status,
    pub(crate) status_changed: At,
    pub(crate) password_changed: At,
    pub(crate) created: At,
    /// Sessions at the identity provider, and refresh tokens of applications.
    pub(crate) sessions: u32,
    pub(crate) tokens: u32,
    pub(crate) roles: Vec<String>,
    pub(crate) first_groups: Vec<String>,
}

/// A user's status in Okta's own spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Staged,
    Provisioned,
    Active,
    Recovery,
    LockedOut,
    PasswordExpired,
    Suspended,
    Deprovisioned,
}

/// A lifecycle operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    Suspend,
    Unsuspend,
    Deactivate,
    Activate,
    Reactivate,
    ExpirePassword,
    ExpirePasswordWithTemp,
    ResetPassword,
    Unlock,
}

impl Lifecycle {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "suspend" => Self::Suspend,
            "unsuspend" => Self::Unsuspend,
            "deactivate" => Self::Deactivate,
            "activate" => Self::Activate,
            "reactivate" => Self::Reactivate,
            "expire_password" => Self::ExpirePassword,
            "expire_password_with_temp_password" => Self::ExpirePasswordWithTemp,
            "reset_password" => Self::ResetPassword,
            "unlock" => Self::Unlock,
            _ => return None,
        })
    }

    /// The system log's word for it.
    pub(crate) const fn event(self) -> &'static str {
        match self {
            Self::Suspend => "user.lifecycle.suspend",
            Self::Unsuspend => "user.lifecycle.unsuspend",
            Self::Deactivate => "user.lifecycle.deactivate",
            Self::Activate => "user.lifecycle.activate",
            Self::Reactivate => "user.lifecycle.reactivate",
            Self::ExpirePassword | Self::ExpirePasswordWithTemp => "user.account.expire_password",
            Self::ResetPassword => "user.account.reset_password",
            Self::Unlock => "user.account.unlock",
        }
    }
}

impl Status {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Staged,
            Self::Provisioned,
            Self::Active,
            Self::Recovery,
            Self::LockedOut,
            Self::PasswordExpired,
            Self::Suspended,
            Self::Deprovisioned,
        ];
        all.into_iter().find(|s| s.name() == text)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::LockedOut => "LOCKED_OUT",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
        }
    }

    /// The status after an operation; `None` when it is not allowed from here (`E0000001`).
    pub(crate) fn after(self, operation: Lifecycle) -> Option<Self> {
        match (operation, self) {
            (Lifecycle::Suspend, Self::Active) => Some(Self::Suspended),
            (Lifecycle::Unsuspend, Self::Suspended) | (Lifecycle::Unlock, Self::LockedOut) => Some(Self::Active),
            (Lifecycle::Activate, Self::Staged | Self::Deprovisioned)
            | (Lifecycle::Reactivate, Self::Provisioned | Self::Recovery) => Some(Self::Provisioned),
            (Lifecycle::ExpirePassword | Lifecycle::ExpirePasswordWithTemp, Self::Active | Self::PasswordExpired) => {
                Some(Self::PasswordExpired)
            }
            (Lifecycle::ResetPassword, Self::Active | Self::PasswordExpired | Self::LockedOut | Self::Recovery) => {
                Some(Self::Recovery)
            }
            (Lifecycle::Deactivate, from) if from != Self::Deprovisioned => Some(Self::Deprovisioned),
            _ => None,
        }
    }
}

impl OktaUser {
    pub(crate) fn new(key: &str, from: &scenario::Okta, at: At) -> Self {
        let status = from.status.as_deref().and_then(Status::parse).unwrap_or(Status::Active);
        Self {
            id: ids::okta("00u", "user", key),
            login: format!("{key}@{}", ids::DNS),
            status,
            status_changed: at,
            password_changed: at,
            created: at,
            sessions: 2,
            tokens: 3,
            roles: from.roles.clone(),
            first_groups: from.groups.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspend_works_only_from_active_and_is_undone_only_from_suspended() {
        use Status::{Active, Deprovisioned, LockedOut, PasswordExpired, Provisioned, Recovery, Staged, Suspended};
        for from in [Staged, Provisioned, Recovery, LockedOut, PasswordExpired, Suspended, Deprovisioned] {
            assert_eq!(from.after(Lifecycle::Suspend), None, "{from:?}");
        }
        assert_eq!(Active.after(Lifecycle::Suspend), Some(Suspended));
        assert_eq!(Suspended.after(Lifecycle::Unsuspend), Some(Active));
        assert_eq!(Active.after(Lifecycle::Unsuspend), None);
    }

    #[test]
    fn deactivate_is_refused_only_when_it_was_done_already() {
        assert_eq!(Status::Suspended.after(Lifecycle::Deactivate), Some(Status::Deprovisioned));
        assert_eq!(Status::Deprovisioned.after(Lifecycle::Deactivate), None);
        assert_eq!(Status::Deprovisioned.after(Lifecycle::Activate), Some(Status::Provisioned));
    }
}
