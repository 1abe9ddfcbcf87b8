//! Who a token of Entra was made for, as its claims say. Nothing is decided for others by it: the token
//! is our own, from the sign-in endpoint, over https.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use crate::model::secret::Secret;

/// riposte as the directory knows it (Microsoft: "Access token claims reference").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Caller {
    /// Object id of its service principal.
    #[serde(rename = "oid")]
    pub principal: Uuid,
    /// Client id of its application.
    #[serde(rename = "appid", alias = "azp")]
    pub application: Option<Uuid>,
}

impl Caller {
    /// From the value of an `Authorization` header; `None` when it holds no token with such claims.
    #[must_use]
    pub fn of(header: &Secret) -> Option<Self> {
        let claims = header.expose().strip_prefix("Bearer ")?.split('.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(claims: &str) -> Secret {
        Secret::new(format!("Bearer e30.{}.x", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let caller = Caller { principal: one, application: Some(two) };
        for name in ["appid", "azp"] {
            let claims = format!(r#"{{"aud": "x", "oid": "{one}", "{name}": "{two}"}}"#);
            assert_eq!(Caller::of(&header(&claims)), Some(caller));
        }
    }

    #[test]
    fn what_is_no_such_token_says_nothing() {
        for text in ["", "SSWS abc", "Bearer abc", "Bearer a.!.c"] {
            assert_eq!(Caller::of(&Secret::new(text)), None, "{text}");
        }
        assert_eq!(Caller::of(&header(r#"{"oid": "me"}"#)), None);
    }
}
