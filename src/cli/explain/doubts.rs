//! What an alert says in words that nobody knows: most likely slips of whoever wrote the file, or news from the vendor.

use super::read::{Kind, Object};
use crate::diagnostics::{quoted, suggest};
use crate::model::alert::Severity;
use crate::playbook::Catalogue;

/// A sentence for each. `providers` are the names under which rows are read.
pub(super) fn doubts(alert: &Object, kind: Kind, providers: &[String]) -> Vec<String> {
    let (severity_key, detector_key) = match kind {
        Kind::Row => ("AlertSeverity", "AlertType"),
        Kind::Graph => ("severity", "detectorId"),
    };
    let product = if kind == Kind::Row { product(alert, providers) } else { None };
    [severity(alert, severity_key), detector(alert, detector_key), product].into_iter().flatten().collect()
}

fn severity(alert: &Object, key: &str) -> Option<String> {
    let Some(word) = text(alert, key) else {
        return Some(format!("the alert has no {key}, so nothing would be done for it"));
    };
    let known = Severity::ALL.map(Severity::word);
    if Severity::read(word) != Severity::Unknown {
        return None;
    }
    let hint = meant(word, known.iter().copied());
    let known = known.join(", ");
    Some(format!("{key} {} is none of {known}, so nothing would be done for it{hint}", quoted(word)))
}

fn detector(alert: &Object, key: &str) -> Option<String> {
    let word = text(alert, key)?;
    let known = || Catalogue::get().entries().iter().filter_map(|entry| entry.detector.as_deref());
    if known().any(|known| known.eq_ignore_ascii_case(word)) {
        return None;
    }
    // Detectors come and go; only a slip of one that is known is worth a word.
    let nearest = suggest::nearest(word, known())?;
    Some(format!("{key} {} is no detector that the alert catalogue knows; did you mean {nearest}?", quoted(word)))
}

fn product(alert: &Object, providers: &[String]) -> Option<String> {
    let names: Vec<&str> = ["ProviderName", "ProductName"].into_iter().filter_map(|key| text(alert, key)).collect();
    let is_known = |name: &&str| providers.iter().any(|known| known.eq_ignore_ascii_case(name));
    if names.iter().any(is_known) {
        return None;
    }
    let Some(name) = names.first() else {
        return Some("the row has neither a ProviderName nor a ProductName, so riposte would not read it".to_owned());
    };
    let hint = meant(name, providers.iter().map(String::as_str));
    let both = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(" and ");
    Some(format!(
        "the row comes from {both}, which is not among sources.log_analytics.providers, so riposte would not read it{hint}"
    ))
}

fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    suggest::nearest(word, known).map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default()
}

/// A text that says something.
fn text<'a>(alert: &'a Object, key: &str) -> Option<&'a str> {
    alert.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(alert: &Value, kind: Kind) -> Vec<String> {
        let providers = ["Azure Advanced Threat Protection".to_owned(), "Azure ATP".to_owned()];
        doubts(alert.as_object().unwrap(), kind, &providers)
    }

    #[test]
    fn words_nobody_knows_are_told_with_the_nearest_one() {
        let row =
            json!({"AlertSeverity": "Hgh", "AlertType": "xdr_PossibleNetsyncAtack", "ProviderName": "Azure ATPP"});
        assert_eq!(
            found(&row, Kind::Row),
            [
                "AlertSeverity \"Hgh\" is none of Informational, Low, Medium, High, so nothing would be done for it; did \
                 you mean High?",
                "AlertType \"xdr_PossibleNetsyncAtack\" is no detector that the alert catalogue knows; did you mean \
                 xdr_PossibleNetsyncAttack?",
                "the row comes from \"Azure ATPP\", which is not among sources.log_analytics.providers, so riposte would \
                 not read it; did you mean Azure ATP?",
            ]
        );
        let graph = json!({"severity": "critical", "detectorId": "xdr_PossibleNetsyncAttack", "productName": "x"});
        assert_eq!(found(&graph, Kind::Graph).len(), 1);
    }

    #[test]
    fn what_is_known_in_any_case_and_what_says_nothing_is_no_doubt() {
        let row = json!({"AlertSeverity": "high", "AlertType": " ", "ProductName": "azure atp", "ProviderName": "x"});
        assert_eq!(found(&row, Kind::Row), Vec::<String>::new());
        let silent = found(&json!({}), Kind::Row);
        assert!(silent[0].contains("no AlertSeverity") && silent[1].contains("neither a ProviderName"), "{silent:?}");
    }
}
