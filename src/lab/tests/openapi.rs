//! A vendor's API document (OpenAPI 3.0), and what it says about a request and an answer.
//!
//! Knows the words that the documents in use have, and no others. A request is judged more strictly than
//! an answer: what we send and the document does not know is a mistake of ours.

use serde_json::Value;

/// One document.
pub(crate) struct Document {
    root: Value,
}

/// What was sent, apart from method and path.
pub(crate) struct Sent<'a> {
    pub(crate) query: &'a [(String, String)],
    pub(crate) kind: Option<&'a str>,
    pub(crate) body: Option<&'a Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

impl Document {
    /// A document in the folder that `RIPOSTE_CONTRACTS` names; `None` when it names none.
    pub(crate) fn open(name: &str) -> Option<Self> {
        let folder = std::env::var_os("RIPOSTE_CONTRACTS")?;
        let text =
            std::fs::read(std::path::Path::new(&folder).join("openapi").join(name)).expect("the document is there");
        Some(Self::of(serde_json::from_slice(&text).expect("the document is JSON")))
    }

    /// A document that has been read already.
    pub(crate) const fn of(root: Value) -> Self {
        Self { root }
    }

    /// The template of a path, as the document writes it: the one with the fewest places.
    #[allow(dead_code, reason = "not everybody who includes this file has to find templates")]
    pub(crate) fn template(&self, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.split('/').collect();
            let same = |(part, wanted): (&&str, &&str)| wanted.starts_with('{') || part.eq_ignore_ascii_case(wanted);
            wanted.len() == parts.len() && parts.iter().zip(&wanted).all(same)
        };
        let templates = self.root["paths"].as_object()?.keys().filter(|template| fits(template));
        templates.min_by_key(|template| template.matches('{').count()).map(String::as_str)
    }

    /// What is wrong with a request of `method` on `path` (as the document writes it).
    pub(crate) fn judge_request(&self, method: &str, path: &str, sent: &Sent<'_>) -> Vec<String> {
        let at = format!("{method} {path}");
        let operation = &self.root["paths"][path][method];
        if operation.is_null() {
            return vec![format!("{at}: not documented")];
        }
        let mut wrong = Vec::new();
        let shared = self.root["paths"][path]["parameters"].as_array().into_iter().flatten();
        let own = operation["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<&Value> =
            shared.chain(own).map(|parameter| self.follow(parameter)).filter(|p| p["in"] == "query").collect();
        for (name, value) in sent.query {
            match parameters.iter().find(|parameter| parameter["name"] == **name) {
                Some(parameter) => {
                    self.check_text(&parameter["schema"], value, &format!("{at}?{name}"), &mut wrong);
                }
                None => wrong.push(format!("{at}: the parameter {name} is not documented")),
            }
        }
        for parameter in parameters.iter().filter(|parameter| parameter["required"] == true) {
            if !sent.query.iter().any(|(name, _)| parameter["name"] == **name) {
                wrong.push(format!("{at}: the parameter {} is missing", parameter["name"]));
            }
        }
        self.judge_body(operation, sent, &at, &mut wrong);
        wrong
    }

    fn judge_body(&self, operation: &Value, sent: &Sent<'_>, at: &str, wrong: &mut Vec<String>) {
        let documented = self.follow(&operation["requestBody"]);
        let content = documented["content"].as_object().filter(|content| !content.is_empty());
        match (content, sent.body) {
            (Some(content), Some(body)) => {
                let kind = sent.kind.unwrap_or_default().split(';').next().unwrap_or_default();
                match content.get(kind) {
                    Some(schema) => self.check(&schema["schema"], body, at, Side::Request, wrong, 0),
                    None => wrong.push(format!("{at}: the media type {kind:?} is not documented")),
                }
            }
            (None, Some(body)) => wrong.push(format!("{at}: no body is documented, and {body} was sent")),
            (Some(_), None) if documented["required"] == true => wrong.push(format!("{at}: the body is missing")),
            (_, None) => {}
        }
    }

    /// What is wrong with an answer of `method` on `path` (as the document writes it) with that status.
    pub(crate) fn judge(&self, method: &str, path: &str, status: u16, answer: &Value) -> Vec<String> {
        let operation = &self.root["paths"][path][method];
        let responses = &operation["responses"];
        let exact = responses.get(status.to_string());
        let Some(response) =
            exact.or_else(|| responses.get(format!("{}XX", status / 100))).or_else(|| responses.get("default"))
        else {
            return vec![format!("{method} {path}: {status} is not documented")];
        };
        let response = self.follow(response);
        let content = response["content"].as_object();
        let schema = content.and_then(|c| c.iter().find(|(kind, _)| kind.contains("json"))).map(|(_, c)| &c["schema"]);
        let mut wrong = Vec::new();
        if let Some(schema) = schema {
            self.check(schema, answer, &format!("{method} {path} {status}"), Side::Answer, &mut wrong, 0);
        }
        wrong
    }

    fn follow<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                self.follow(self.root.pointer(reference.trim_start_matches('#')).expect("a reference leads somewhere"))
            }
            None => schema,
        }
    }

    /// A value that stands in a query, as text.
    fn check_text(&self, schema: &Value, text: &str, at: &str, wrong: &mut Vec<String>) {
        let value = match self.follow(schema)["type"].as_str() {
            Some("string") | None => Value::from(text),
            Some("array") => Value::from(text.split(',').collect::<Vec<_>>()),
            Some(_) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        };
        self.check(schema, &value, at, Side::Request, wrong, 0);
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, side: Side, wrong: &mut Vec<String>, depth: usize) {
        let schema = self.follow(schema);
        if depth > 40 || (value.is_null() && self.nullable(schema)) {
            return;
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, at, side, wrong, depth + 1);
        }
        for key in ["anyOf", "oneOf"] {
            let Some(options) = schema[key].as_array() else { continue };
            let mut nearest: Option<Vec<String>> = None;
            // "Any object or null" beside a type says only that null is allowed.
            for option in options.iter().filter(|option| !is_any_object(option)) {
                let mut inner = Vec::new();
                self.check(option, value, at, side, &mut inner, depth + 1);
                if nearest.as_ref().is_none_or(|nearest| inner.len() < nearest.len()) {
                    nearest = Some(inner);
                }
            }
            let allows_null = options.iter().any(|option| option["nullable"] == true);
            if !(value.is_null() && allows_null) {
                wrong.extend(nearest.unwrap_or_default());
            }
        }
        check_value(schema, value, at, wrong);
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if value.get(name).is_none() {
                wrong.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let Some(value) = value.get(name) else { continue };
            if side == Side::Request && self.follow(inner)["readOnly"] == true {
                wrong.push(format!("{at}.{name}: is read-only and was sent"));
            }
            self.check(inner, value, &format!("{at}.{name}"), side, wrong, depth + 1);
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            for (n, value) in values.iter().enumerate() {
                self.check(items, value, &format!("{at}[{n}]"), side, wrong, depth + 1);
            }
        }
        if let (0, Side::Request, Some(known)) = (depth, side, self.properties(schema)) {
            let unknown = value.as_object().into_iter().flatten().map(|(name, _)| name);
            let unknown = unknown.filter(|name| !name.starts_with('@') && !known.contains(&name.as_str()));
            wrong.extend(unknown.map(|name| format!("{at}: the field {name} is not documented")));
        }
    }

    /// Every property that a schema names; `None` when it names none, or allows others.
    fn properties<'a>(&'a self, schema: &'a Value) -> Option<Vec<&'a str>> {
        let schema = self.follow(schema);
        let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let mut known: Vec<&str> = own.collect();
        for part in ["allOf", "anyOf", "oneOf"].iter().flat_map(|key| schema[*key].as_array().into_iter().flatten()) {
            known.extend(self.properties(part)?);
        }
        let open = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
        (!known.is_empty() && !open).then_some(known)
    }

    /// Azure's documents do not say where their services answer null; they do everywhere.
    fn nullable(&self, schema: &Value) -> bool {
        schema["nullable"] == true
            || self.root["info"]["title"]
                .as_str()
                .is_some_and(|t| t.contains("Sentinel") || t.contains("Log Analytics"))
    }
}

fn is_any_object(schema: &Value) -> bool {
    schema["type"] == "object" && schema.get("properties").is_none() && schema["nullable"] == true
}

/// Type, known words, format and bounds of one value.
fn check_value(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some(_) | None => true,
    };
    if !right {
        wrong.push(format!("{at}: {value} is not a {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|known| !known.contains(value)) {
        wrong.push(format!("{at}: {value} is not one of the known words"));
    }
    if let Some(text) = value.as_str() {
        let fits = match schema["format"].as_str() {
            Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
            Some("uuid") => uuid::Uuid::parse_str(text).is_ok(),
            Some("uri") => url::Url::parse(text).is_ok(),
            Some(_) | None => true,
        };
        if !fits {
            wrong.push(format!("{at}: {value} is no {}", schema["format"]));
        }
        let length = text.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|min| length < min)
            || schema["maxLength"].as_u64().is_some_and(|max| length > max)
        {
            wrong.push(format!("{at}: {length} characters are too few or too many"));
        }
    }
    if let Some(number) = value.as_f64()
        && (schema["minimum"].as_f64().is_some_and(|min| number < min)
            || schema["maximum"].as_f64().is_some_and(|max| number > max))
    {
        wrong.push(format!("{at}: {value} is out of bounds"));
    }
}
