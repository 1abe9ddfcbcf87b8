//! URLs, base64 and hashes.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::args::{array, long, text};
use super::digests::{md5, sha1, xxh64};
use super::{Arg, Function, Gives};
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::eval::convert::text_of;
use crate::kql::value::{Type, Val};

const STRING: Gives = Gives::Is(Type::String);
const DYNAMIC: Gives = Gives::Is(Type::Dynamic);
const TEXT: &[Arg] = &[Arg::Is(Type::String)];
const ANY: &[Arg] = &[Arg::OneOf(&[
    Type::Bool,
    Type::Int,
    Type::Long,
    Type::Real,
    Type::DateTime,
    Type::Timespan,
    Type::Guid,
    Type::String,
])];

/// What a component of a URL may hold as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("url_encode", TEXT, STRING, |args| encoded(text(args, 0)).replace("%20", "+").into()).doc(
        "With what a part of a URL cannot hold written as %XX, and a space as +.",
        &[("url_encode('https://a.b/c d?e=f&g+h')", "'https%3a%2f%2fa.b%2fc+d%3fe%3df%26g%2bh'")],
    ),
    Function::plain("url_encode_component", TEXT, STRING, |args| encoded(text(args, 0)).into()).doc(
        "With what a part of a URL cannot hold written as %XX.",
        &[("url_encode_component('a b/c')", "'a%20b%2fc'")],
    ),
    Function::plain("url_decode", TEXT, STRING, |args| {
        percent_decode_str(text(args, 0)).decode_utf8_lossy().into_owned().into()
    })
    .doc("With %XX read as characters.", &[("url_decode('a%20b%2fc')", "'a b/c'")]),
    Function::plain("base64_encode_tostring", TEXT, STRING, |args| STANDARD.encode(text(args, 0)).into())
        .doc("In base64.", &[("base64_encode_tostring('Kusto')", "'S3VzdG8='")]),
    Function::plain("base64_encodestring", TEXT, STRING, |args| STANDARD.encode(text(args, 0)).into())
        .doc("As base64_encode_tostring.", &[("base64_encodestring('Kusto')", "'S3VzdG8='")]),
    Function::plain("base64_decode_tostring", TEXT, STRING, |args| decoded_text(text(args, 0)))
        .doc("From base64; null when it is none, or no text.", &[("base64_decode_tostring('S3VzdG8=')", "'Kusto'")]),
    Function::plain("base64_decodestring", TEXT, STRING, |args| decoded_text(text(args, 0)))
        .doc("As base64_decode_tostring.", &[("base64_decodestring('S3VzdG8=')", "'Kusto'")]),
    Function::plain("base64_decode_toarray", TEXT, DYNAMIC, |args| {
        decoded(text(args, 0))
            .map_or(Val::Null, |bytes| array(bytes.into_iter().map(|byte| Dynamic::Long(i64::from(byte)))))
    })
    .doc("From base64, as an array of bytes.", &[("tostring(base64_decode_toarray('S3U='))", "'[75,117]'")]),
    Function::plain("base64_encode_fromguid", &[Arg::Is(Type::Guid)], STRING, |args| match args.first() {
        Some(Val::Guid(id)) => STANDARD.encode(id.to_bytes_le()).into(),
        _ => Val::Null,
    })
    .doc(
        "The bytes of a guid in base64.",
        &[("base64_encode_fromguid(guid(ae3133f2-6e22-49ae-b06a-16e6a9b212eb))", "'8jMxriJurkmwahbmqbIS6w=='")],
    ),
    Function::plain("base64_decode_toguid", TEXT, Gives::Is(Type::Guid), |args| {
        let bytes = decoded(text(args, 0)).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        bytes.map_or(Val::Null, |bytes| Val::Guid(Uuid::from_bytes_le(bytes)))
    })
    .doc(
        "A guid from its bytes in base64.",
        &[("base64_decode_toguid('8jMxriJurkmwahbmqbIS6w==')", "guid(ae3133f2-6e22-49ae-b06a-16e6a9b212eb)")],
    ),
    Function::plain("parse_url", TEXT, DYNAMIC, |args| url_parts(text(args, 0))).doc(
        "The parts of a URL: Scheme, Host, Port, Path, Username, Password, Query Parameters, Fragment.",
        &[
            ("tostring(parse_url('https://john:pw@a.com:80/x?k=v#f').Host)", "'a.com'"),
            ("tostring(parse_url('https://a.com/x?k=v')['Query Parameters'].k)", "'v'"),
        ],
    ),
    Function::plain("parse_urlquery", TEXT, DYNAMIC, |args| {
        let query = text(args, 0);
        bag([("Query Parameters", parameters(query.strip_prefix('?').unwrap_or(query)))])
    })
    .doc("The parameters of a query string.", &[("tostring(parse_urlquery('k=v&l=w')['Query Parameters'].l)", "'w'")]),
    Function::plain("hash_sha256", ANY, STRING, |args| hex(&Sha256::digest(bytes(args)))).doc(
        "The SHA-256 of a value as text.",
        &[("hash_sha256('World')", "'78ae647dc5544d227130a0682a51e30bc7777fbb6d8a8f17007463a3ecd1d524'")],
    ),
    Function::plain("hash_sha1", ANY, STRING, |args| hex(&sha1(&bytes(args))))
        .doc("The SHA-1 of a value as text.", &[("hash_sha1('World')", "'70c07ec18ef89c5309bbb0937f3a6342411e1fdd'")]),
    Function::plain("hash_md5", ANY, STRING, |args| hex(&md5(&bytes(args))))
        .doc("The MD5 of a value as text.", &[("hash_md5('World')", "'f5a7924e621e84c9280a9a27e1bcb7f6'")]),
    Function::plain("hash_xxhash64", ANY, Gives::Is(Type::Long), hash)
        .optional(&[Arg::Is(Type::Long)])
        .doc("The xxHash64 of a value, or its remainder.", &[("hash_xxhash64('World')", "1846988464401551951")]),
    Function::plain("hash", ANY, Gives::Is(Type::Long), hash)
        .optional(&[Arg::Is(Type::Long)])
        .doc("As hash_xxhash64.", &[("hash('World')", "1846988464401551951"), ("hash('World', 100)", "51")]),
];

/// The service writes the digits in lower case.
fn encoded(text: &str) -> String {
    let parts = utf8_percent_encode(text, COMPONENT);
    parts.map(|part| if part.starts_with('%') { part.to_ascii_lowercase() } else { part.to_owned() }).collect()
}

fn bytes(args: &[Val<'_>]) -> Vec<u8> {
    args.first().map(|value| text_of(value).into_owned().into_bytes()).unwrap_or_default()
}

fn hash<'a>(args: &[Val<'a>]) -> Val<'a> {
    // Numbers and times are hashed as the bytes they are stored in.
    let source = match args.first() {
        Some(Val::Long(v) | Val::Timespan(v)) => v.to_le_bytes().to_vec(),
        Some(Val::DateTime(v)) => (v - crate::kql::time::MIN_DATETIME).to_le_bytes().to_vec(),
        Some(Val::Int(v)) => v.to_le_bytes().to_vec(),
        Some(Val::Real(v)) => v.to_le_bytes().to_vec(),
        _ => bytes(args),
    };
    let hash = xxh64(&source).cast_signed();
    match long(args, 1) {
        Some(0) => Val::Null,
        Some(modulus) => hash.checked_rem_euclid(modulus).map_or(Val::Null, Val::Long),
        None => Val::Long(hash),
    }
}

fn hex<'a>(bytes: &[u8]) -> Val<'a> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

fn decoded_text<'a>(text: &str) -> Val<'a> {
    decoded(text).and_then(|bytes| String::from_utf8(bytes).ok()).map_or(Val::Null, Into::into)
}

fn bag<'a, const N: usize>(pairs: [(&str, Dynamic); N]) -> Val<'a> {
    Val::dynamic(Dynamic::Bag(Arc::new(Bag::new(pairs.map(|(name, value)| (Arc::from(name), value))))))
}

fn parameters(query: &str) -> Dynamic {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (Arc::from(name), Dynamic::Str(value.into()))
    });
    Dynamic::Bag(Arc::new(Bag::new(pairs)))
}

fn url_parts<'a>(url: &str) -> Val<'a> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let bracket = host.rfind(']').unwrap_or(0);
    let (host, port) = match host.rfind(':').filter(|at| *at > bracket) {
        Some(at) => (host.get(..at).unwrap_or_default(), host.get(at + 1..).unwrap_or_default()),
        None => (host, ""),
    };
    let text = |text: &str| Dynamic::Str(text.into());
    bag([
        ("Scheme", text(scheme)),
        ("Host", text(host)),
        ("Port", text(port)),
        ("Path", text(path)),
        ("Username", text(user)),
        ("Password", text(password)),
        ("Query Parameters", parameters(query)),
        ("Fragment", text(fragment)),
    ])
}
