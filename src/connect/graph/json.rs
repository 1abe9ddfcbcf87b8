//! Looking into answers without trusting them: absent, null and wrong types are all "not there".

use serde_json::Value;
use uuid::Uuid;

use crate::model::time::At;

/// The longest identifier we take from an answer.
const ID_LENGTH: usize = 256;

/// A field by its name, else by its name in another case: pages and metadata disagree.
pub(super) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    let found = object.get(name).or_else(|| {
        let mut fields = object.iter();
        fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    })?;
    (!found.is_null()).then_some(found)
}

/// Text that is not empty.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    field(object, name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// An identifier: text of a sensible length without control characters.
pub(super) fn identifier<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    text(object, name).filter(|id| id.len() <= ID_LENGTH && !id.chars().any(char::is_control))
}

/// A GUID.
pub(super) fn guid(object: &Value, name: &str) -> Option<Uuid> {
    Uuid::parse_str(text(object, name)?).ok()
}

/// A time.
pub(super) fn time(object: &Value, name: &str) -> Option<At> {
    text(object, name)?.parse().ok()
}

/// A yes or no.
pub(super) fn flag(object: &Value, name: &str) -> Option<bool> {
    field(object, name)?.as_bool()
}

/// A list; nothing there is an empty one.
pub(super) fn list<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    field(object, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether an enum member is the one meant: pages print `Active` where metadata says `active`.
pub(super) fn is_word(word: Option<&str>, meant: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(meant))
}

/// The type in `@odata.type`, without `#` and namespace.
pub(super) fn odata_type(object: &Value) -> Option<&str> {
    text(object, "@odata.type")?.rsplit('.').next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_in_another_case_is_found_and_the_exact_one_is_preferred() {
        let object = json!({"Name": "capital", "name": "exact", "Kind": "only"});
        assert_eq!((text(&object, "name"), text(&object, "kind")), (Some("exact"), Some("only")));
    }

    #[test]
    fn wrong_types_nulls_and_long_identifiers_are_not_there() {
        let object = json!({"a": 1, "b": null, "c": "", "d": "x".repeat(300), "e": "a\u{0}b", "f": "not a guid"});
        assert_eq!((text(&object, "a"), text(&object, "b"), text(&object, "c")), (None, None, None));
        assert_eq!((identifier(&object, "d"), identifier(&object, "e"), guid(&object, "f")), (None, None, None));
        assert!(list(&json!("text"), "value").is_empty() && field(&json!(3), "x").is_none());
    }

    #[test]
    fn enum_words_are_compared_without_case() {
        assert!(is_word(Some("MicrosoftDefenderForIdentity"), "microsoftDefenderForIdentity"));
        assert!(!is_word(None, "new"));
    }

    #[test]
    fn types_are_read_without_their_namespace() {
        assert_eq!(odata_type(&json!({"@odata.type": "#microsoft.graph.security.userEvidence"})), Some("userEvidence"));
        assert_eq!(odata_type(&json!({})), None);
    }
}
