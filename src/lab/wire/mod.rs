//! The vendors' APIs as the lab serves them. Shapes are written here from the vendors' own pages, apart
//! from the connectors, so that a mistake there cannot hide behind the same mistake here.

pub(crate) mod authority;
pub(crate) mod control;
pub(crate) mod graph;
pub(crate) mod log_analytics;
pub(crate) mod okta;
pub(crate) mod sentinel;

use serde_json::{Value, json};

use super::http::{Answer, Req};

/// One page of a list, `$skip`/`$top` or a token into it, with an absolute link to the next on the same host.
pub(crate) struct Page<'a, T> {
    pub(crate) items: &'a [T],
    pub(crate) next: Option<String>,
}

/// Cuts a page out of a list. `start` and `size` are query parameters without `$`.
pub(crate) fn page<'a, T>(
    req: &Req,
    base: &str,
    all: &'a [T],
    start: &str,
    size: &str,
    usual: usize,
    most: usize,
) -> Page<'a, T> {
    let from = req.number(start).unwrap_or(0).min(all.len());
    let size_now = req.number(size).unwrap_or(usual).clamp(1, most);
    let to = (from + size_now).min(all.len());
    let next = (to < all.len()).then(|| {
        let kept = req.query.iter().filter(|(k, _)| !k.trim_start_matches('$').eq_ignore_ascii_case(start));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair(&format!("${start}"), &to.to_string())
            .finish();
        format!("{base}{}?{query}", req.path)
    });
    Page { items: &all[from..to], next }
}

/// An object with only the fields that `$select` names, and `id`.
pub(crate) fn select(req: &Req, mut item: Value) -> Value {
    if let (Some(wanted), Some(fields)) = (req.param("select"), item.as_object_mut()) {
        let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
        fields.retain(|k, _| k.starts_with('@') || wanted.iter().any(|w| w.eq_ignore_ascii_case(k)));
    }
    item
}

/// Graph's error body.
pub(crate) fn graph_error(req: &Req, status: u16, code: &str, message: &str) -> Answer {
    let id = super::ids::guid("request", &format!("{}{}", req.path, req.at));
    let client = req.header("client-request-id").unwrap_or(&id);
    Answer::json(
        status,
        json!({"error": {"code": code, "message": message,
            "innerError": {"date": req.at, "request-id": id, "client-request-id": client}}}),
    )
}

/// The error body of ARM and Log Analytics.
pub(crate) fn plain_error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, json!({"error": {"code": code, "message": message}}))
}
