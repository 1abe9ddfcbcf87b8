//! From one type to another.

use super::{Arg, Function, Gives, Plain};
use crate::kql::error::KqlError;
use crate::kql::eval::Frame;
use crate::kql::eval::convert::{convert, text_of};
use crate::kql::value::{Type, Val};

const ONE: &[Arg] = &[Arg::Any];
/// What is read as JSON or as a guid is a text, or was read already.
const WRITTEN: &[Arg] = &[Arg::OneOf(&[Type::String, Type::Dynamic])];

pub(super) const FUNCTIONS: &[Function] = &[
    to("tostring", Type::String, |args| to_type(args, Type::String)).doc(
        "As text; null is the empty string.",
        &[
            ("tostring(12)", "'12'"),
            ("tostring(int(null))", "''"),
            ("tostring(1.0)", "'1.0'"),
            ("tostring(1d)", "'1.00:00:00'"),
            ("tostring(datetime(2026-03-01))", "'2026-03-01T00:00:00.0000000Z'"),
            ("tostring(dynamic({'a': [1, 'x']}))", r#"'{"a":[1,"x"]}'"#),
        ],
    ),
    to("toint", Type::Int, |args| to_type(args, Type::Int)).doc(
        "As an int; null when it is none.",
        &[
            ("toint('123')", "int(123)"),
            ("toint('x')", "int(null)"),
            ("toint(2.9)", "int(2)"),
            ("toint(3000000000)", "int(null)"),
        ],
    ),
    to("tolong", Type::Long, |args| to_type(args, Type::Long))
        .doc("As a long; null when it is none.", &[("tolong('123')", "123"), ("tolong(dynamic({'a': 5}).a)", "5")]),
    to("toreal", Type::Real, |args| to_type(args, Type::Real))
        .doc("As a real; null when it is none.", &[("toreal('1.5')", "1.5")]),
    to("todouble", Type::Real, |args| to_type(args, Type::Real)).doc("As toreal.", &[("todouble(2)", "2.0")]),
    to("tobool", Type::Bool, |args| to_type(args, Type::Bool)).doc(
        "As a bool; null when it is none.",
        &[("tobool('TRUE')", "true"), ("tobool(0)", "false"), ("tobool('x')", "bool(null)")],
    ),
    to("todatetime", Type::DateTime, |args| to_type(args, Type::DateTime)).doc(
        "As a datetime; null when it is none.",
        &[("todatetime('2026-03-01T10:00:00Z')", "datetime(2026-03-01 10:00)"), ("todatetime('x')", "datetime(null)")],
    ),
    to("totimespan", Type::Timespan, |args| to_type(args, Type::Timespan))
        .doc("As a timespan; null when it is none.", &[("totimespan('0.01:30:00')", "90m")]),
    Function::plain("toguid", WRITTEN, Gives::Is(Type::Guid), |args| to_type(args, Type::Guid)).keeps_name().doc(
        "As a guid; null when it is none.",
        &[("toguid('12345678-1234-1234-1234-123456789abc')", "guid(12345678-1234-1234-1234-123456789abc)")],
    ),
    Function::plain("new_guid", &[], Gives::Is(Type::Guid), new_guid)
        .random()
        .doc("A new random guid, another one for each row; not in conditions.", &[]),
    Function::new("parse_json", WRITTEN, Gives::Is(Type::Dynamic), json).keeps_name().doc(
        "Text read as JSON; what is no JSON is the text itself.",
        &[
            (r#"parse_json('{"a": {"b": 3}}').a.b == 3"#, "true"),
            ("tostring(parse_json('x{'))", "'x{'"),
            ("isnull(parse_json(''))", "true"),
        ],
    ),
    to("toboolean", Type::Bool, |args| to_type(args, Type::Bool)).doc("As tobool.", &[("toboolean('true')", "true")]),
    to("totime", Type::Timespan, |args| to_type(args, Type::Timespan))
        .doc("As totimespan.", &[("totime('01:30:00')", "90m")]),
    Function::new("parsejson", WRITTEN, Gives::Is(Type::Dynamic), json)
        .keeps_name()
        .doc("As parse_json.", &[("array_length(parsejson('[1, 2]'))", "2")]),
    Function::new("toobject", WRITTEN, Gives::Is(Type::Dynamic), json)
        .keeps_name()
        .doc("As parse_json.", &[("array_length(toobject('[1, 2]'))", "2")]),
    Function::new("todynamic", WRITTEN, Gives::Is(Type::Dynamic), json)
        .keeps_name()
        .doc("As parse_json.", &[("array_length(todynamic('[1, 2]'))", "2")]),
];

const fn to(name: &'static str, ty: Type, eval: Plain) -> Function {
    Function::plain(name, ONE, Gives::Is(ty), eval).keeps_name()
}

fn to_type<'a>(args: &[Val<'a>], ty: Type) -> Val<'a> {
    args.first().map_or(Val::Null, |value| convert(value.clone(), ty))
}

fn json<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    match args {
        [value @ Val::Dyn(_)] => Ok(value.clone()),
        [value] => {
            let text = text_of(value);
            // A parsed value takes several times the room of its text.
            frame.env.budget.bytes(text.len().saturating_mul(4))?;
            Ok(frame.env.budget.parsed.json(&text))
        }
        _ => Ok(Val::Null),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a query asks for a random one; conditions cannot, and no id of ours comes of it"
)]
fn new_guid<'a>(_: &[Val<'_>]) -> Val<'a> {
    Val::Guid(uuid::Uuid::new_v4())
}
