//! Queries made from seeds: right ones and nearly right ones, the same every time.

use super::super::aggregates::aggregates;
use super::super::functions::{Arg, functions, operators};
use super::super::*;

/// Tables with a column of every type.
pub(super) const TABLES: [(&str, &str); 2] = [
    ("T", "s:string i:int l:long r:real b:bool d:datetime t:timespan g:guid y:dynamic"),
    ("U", "s:string i:int z:real k:string y:dynamic"),
];

/// A value of each type: a column of `T`.
const COLUMNS: [(&str, Type); 9] = [
    ("s", Type::String),
    ("i", Type::Int),
    ("l", Type::Long),
    ("r", Type::Real),
    ("b", Type::Bool),
    ("d", Type::DateTime),
    ("t", Type::Timespan),
    ("g", Type::Guid),
    ("y", Type::Dynamic),
];

/// Literals of every type, for every type of column: those that may be taken as another, and those that may not.
const LITERALS: [&str; 22] = [
    "'x'",
    "'1'",
    "'-1.5'",
    "'True'",
    "'false'",
    "'2026-03-01'",
    "'1d'",
    "0",
    "1",
    "2",
    "-1",
    "1.0",
    "1.5",
    "int(1)",
    "true",
    "false",
    "datetime(2026-03-01)",
    "1d",
    "guid(12345678-1234-1234-1234-123456789abc)",
    "dynamic(1)",
    "dynamic('x')",
    "dynamic([1, 'x'])",
];

/// Random numbers that are the same every time.
struct Dice(u64);

impl Dice {
    /// Its own for every name, so that what is made of one does not change with the others.
    fn named(name: &str) -> Self {
        // FNV-1a, over an offset that is not 0.
        Self(
            name.bytes()
                .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
                | 1,
        )
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % n
    }

    fn of<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }
}

/// Every function, operator and aggregate with columns of every type, as far as that is bearable: name and query.
pub(super) fn calls() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for function in functions().filter(|function| !function.name.starts_with("__")) {
        let least = function.args.len();
        let most = least + function.optional.len().max(function.rest.len());
        let place = |at: usize| (function.arg(at), function.constants.contains(&at));
        for args in tuples(least, most, &mut Dice::named(function.name), place) {
            let call = format!("{}({})", function.name, args.join(", "));
            all.push((format!("{}({})", function.name, args.join(",")), format!("T | project x = {call}, {call}")));
        }
    }
    for operator in operators() {
        let binary = operator.args.len() == 2 && operator.rest.is_empty();
        let listed = matches!(operator.name, "in" | "in~" | "has_any" | "has_all");
        if !binary && !listed {
            continue;
        }
        // Equality takes a literal as what the column is, and words are no dynamic literals; the others take types as they are.
        let literals: &[&str] = match operator.args.last() {
            _ if matches!(operator.name, "==" | "in") => &LITERALS,
            Some(Arg::Term) => &["'x'", "1", "dynamic(1)", "dynamic('x')"],
            _ => &[],
        };
        let values = COLUMNS.iter().map(|(name, _)| *name).chain(literals.iter().copied());
        for (a, _) in COLUMNS {
            for b in values.clone() {
                let right = if listed { format!("({b})") } else { b.to_owned() };
                let text = format!("{a} {} {right}", operator.name);
                all.push((text.clone(), format!("T | project x = {text}")));
            }
        }
    }
    for aggregate in aggregates() {
        let (least, most) = aggregate.args;
        for args in tuples(least, most.min(3), &mut Dice::named(aggregate.name), |_| (None, false)) {
            let call = format!("{}({})", aggregate.name, args.join(", "));
            all.push((format!("summarize {call}"), format!("T | summarize {call}, x = {call} by k = s")));
        }
    }
    all
}

/// Lists of arguments, of each length from `least` to `most`: every column for one, some of those for more. `place` says
/// what an argument may be, and whether it is a constant.
fn tuples(
    least: usize,
    most: usize,
    dice: &mut Dice,
    place: impl Fn(usize) -> (Option<Arg>, bool),
) -> Vec<Vec<String>> {
    let arg = |at: usize| place(at).0;
    let fitting = |at: usize, dice: &mut Dice| match place(at) {
        (Some(Arg::Word(words)), _) => format!("'{}'", words[0]),
        (Some(Arg::Regex), _) => "'a(b)'".to_owned(),
        (Some(Arg::Format { .. }), _) => "'dd.mm'".to_owned(),
        (Some(Arg::Is(ty)), true) => literal(dice, ty),
        (Some(Arg::Is(ty)), false) if dice.below(8) > 0 => COLUMNS.iter().find(|(_, t)| *t == ty).unwrap().0.to_owned(),
        _ => dice.of(&COLUMNS).0.to_owned(),
    };
    let mut all = Vec::new();
    for length in least..=most.min(least + 2) {
        match length {
            0 => all.push(Vec::new()),
            1 => all.extend(COLUMNS.iter().map(|(name, _)| match arg(0) {
                Some(Arg::Word(words)) => vec![format!("'{}'", words[0])],
                _ => vec![(*name).to_owned()],
            })),
            _ => {
                // Each place with every type, the other places as they should be.
                for place in 0..length {
                    for (name, _) in COLUMNS {
                        let args = (0..length).map(|at| {
                            let wordy = matches!(arg(at), Some(Arg::Word(_) | Arg::Regex | Arg::Format { .. }));
                            if at == place && !wordy { name.to_owned() } else { fitting(at, dice) }
                        });
                        let args: Vec<String> = args.collect();
                        if dice.below(3) == 0 {
                            all.push(args);
                        }
                    }
                }
            }
        }
    }
    // One too few and one too many.
    if least > 0 {
        all.push((0..least - 1).map(|at| fitting(at, dice)).collect());
    }
    all
}

/// Pipelines of several operators.
pub(super) fn queries() -> Vec<String> {
    (1..=800_u64).map(|seed| query(&mut Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1))).collect()
}

fn query(dice: &mut Dice) -> String {
    let mut columns: Vec<(String, Type)> = COLUMNS.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect();
    let mut text = "T".to_owned();
    for step in 0..=dice.below(4) {
        text.push_str("\n| ");
        text.push_str(&operator(dice, &mut columns, step));
    }
    text
}

/// An expression of that type over those columns; now and then of another, or over a column that is not there.
fn expr(dice: &mut Dice, columns: &[(String, Type)], ty: Type, depth: usize) -> String {
    let ty = if dice.below(60) == 0 { *dice.of(&Type::ALL) } else { ty };
    if dice.below(150) == 0 {
        return "nowhere".to_owned();
    }
    let fitting: Vec<&String> = columns.iter().filter(|(_, t)| *t == ty).map(|(name, _)| name).collect();
    if depth == 0 || dice.below(3) == 0 {
        return if fitting.is_empty() || dice.below(4) == 0 { literal(dice, ty) } else { (*dice.of(&fitting)).clone() };
    }
    let mut sub = |ty: Type| expr(dice, columns, ty, depth - 1);
    let choices: Vec<String> = match ty {
        Type::Bool => vec![
            format!("{} == {}", sub(Type::String), sub(Type::String)),
            format!("{} has 'a'", sub(Type::String)),
            format!("{} > {}", sub(Type::Long), sub(Type::Real)),
            format!("{} in (1, 2)", sub(Type::Long)),
            format!("{} between ({} .. {})", sub(Type::Long), sub(Type::Long), sub(Type::Long)),
            format!("({}) and ({})", sub(Type::Bool), sub(Type::Bool)),
            format!("not({})", sub(Type::Bool)),
            format!("isempty({})", sub(Type::String)),
            format!("{} !in~ ('x')", sub(Type::String)),
            format!("isnull({})", sub(Type::DateTime)),
        ],
        Type::String => vec![
            format!("strcat({}, {})", sub(Type::String), sub(Type::Long)),
            format!("tostring({})", sub(Type::Dynamic)),
            format!("tolower({})", sub(Type::String)),
            format!("substring({}, {})", sub(Type::String), sub(Type::Long)),
            format!("iff({}, {}, {})", sub(Type::Bool), sub(Type::String), sub(Type::String)),
            format!("extract('a(b)', 1, {})", sub(Type::String)),
            format!("coalesce({}, {})", sub(Type::String), sub(Type::String)),
        ],
        Type::Int => vec![format!("toint({})", sub(Type::Long))],
        Type::Long => vec![
            format!("{} + {}", sub(Type::Long), sub(Type::Int)),
            format!("{} / {}", sub(Type::Long), sub(Type::Long)),
            format!("strlen({})", sub(Type::String)),
            format!("array_length({})", sub(Type::Dynamic)),
            format!("tolong({})", sub(Type::String)),
            format!("datetime_diff('day', {}, {})", sub(Type::DateTime), sub(Type::DateTime)),
            format!("-({})", sub(Type::Long)),
            format!("bin({}, 10)", sub(Type::Long)),
        ],
        Type::Real => vec![
            format!("{} * {}", sub(Type::Real), sub(Type::Long)),
            format!("todouble({})", sub(Type::String)),
            format!("round({}, 2)", sub(Type::Real)),
            format!("{} / {}", sub(Type::Timespan), sub(Type::Timespan)),
        ],
        Type::DateTime => vec![
            format!("{} + {}", sub(Type::DateTime), sub(Type::Timespan)),
            format!("startofday({})", sub(Type::DateTime)),
            format!("bin({}, 1h)", sub(Type::DateTime)),
            format!("todatetime({})", sub(Type::String)),
            "now()".to_owned(),
        ],
        Type::Timespan => vec![
            format!("{} - {}", sub(Type::DateTime), sub(Type::DateTime)),
            format!("{} * 2", sub(Type::Timespan)),
            format!("totimespan({})", sub(Type::String)),
        ],
        Type::Guid => vec![format!("toguid({})", sub(Type::String))],
        Type::Dynamic => vec![
            format!("parse_json({})", sub(Type::String)),
            format!("({}).a", sub(Type::Dynamic)),
            format!("({})[0]", sub(Type::Dynamic)),
            format!("bag_pack('a', {})", sub(Type::Long)),
            format!("pack_array({}, {})", sub(Type::Long), sub(Type::String)),
            format!("split({}, ',')", sub(Type::String)),
        ],
    };
    dice.of(&choices).clone()
}

fn literal(dice: &mut Dice, ty: Type) -> String {
    let choices: &[&str] = match ty {
        Type::Bool => &["true", "false", "bool(null)"],
        Type::Int => &["int(3)", "int(null)"],
        Type::Long => &["1", "42", "long(null)"],
        Type::Real => &["1.5", "real(null)", "2e3"],
        Type::DateTime => &["datetime(2026-03-01)", "datetime(null)"],
        Type::Timespan => &["1d", "time(01:00:00)", "5m"],
        Type::Guid => &["guid(12345678-1234-1234-1234-123456789abc)"],
        Type::String => &["'x'", "\"y\"", "@'z\\'"],
        Type::Dynamic => &["dynamic([1, 2])", "dynamic({'a': 1})"],
    };
    (*dice.of(choices)).to_owned()
}

fn column(dice: &mut Dice, columns: &[(String, Type)]) -> (String, Type) {
    if columns.is_empty() || dice.below(80) == 0 {
        return ("missing".to_owned(), Type::String);
    }
    dice.of(columns).clone()
}

fn operator(dice: &mut Dice, columns: &mut Vec<(String, Type)>, step: usize) -> String {
    let any = |dice: &mut Dice| *dice.of(&Type::ALL);
    match dice.below(17) {
        0 | 1 => format!("where {}", expr(dice, columns, Type::Bool, 2)),
        2 | 3 => {
            let ty = any(dice);
            let text = format!("extend e{step} = {}", expr(dice, columns, ty, 2));
            columns.push((format!("e{step}"), ty));
            text
        }
        4 => {
            // Columns without a name.
            let ty = any(dice);
            format!("extend {}", expr(dice, columns, ty, 2))
        }
        5 => {
            let (a, at) = column(dice, columns);
            let ty = any(dice);
            let text = format!("project {a}, p{step} = {}, {}", expr(dice, columns, ty, 2), expr(dice, columns, ty, 2));
            *columns = vec![(a, at), (format!("p{step}"), ty)];
            text
        }
        6 => {
            let (a, _) = column(dice, columns);
            columns.retain(|(name, _)| *name != a);
            format!("project-away {a}")
        }
        7 => {
            let (a, ty) = column(dice, columns);
            for other in columns.iter_mut().filter(|(name, _)| *name == a) {
                *other = (format!("n{step}"), ty);
            }
            format!("project-rename n{step} = {a}")
        }
        8 | 9 => summarize(dice, columns, step),
        10 => {
            let (a, _) = column(dice, columns);
            format!("order by {a}{}", dice.of(&["", " asc", " desc nulls last"]))
        }
        11 => {
            let (a, _) = column(dice, columns);
            format!("top 3 by {a}")
        }
        12 => {
            let (a, at) = column(dice, columns);
            let (c, ct) = column(dice, columns);
            *columns = if a == c { vec![(a.clone(), at)] } else { vec![(a.clone(), at), (c.clone(), ct)] };
            format!("distinct {a}, {c}")
        }
        13 => {
            let kind = *dice.of(&[
                "",
                " kind=inner",
                " kind=leftouter",
                " kind=leftanti",
                " kind=rightsemi",
                " kind=fullouter",
            ]);
            let (a, ty) = column(dice, columns);
            *columns = vec![(a.clone(), ty)];
            let on = *dice.of(&["s", "i", "$left.s == $right.k", "s, i"]);
            format!("join{kind} U on {on} | project-reorder {a}")
        }
        14 => {
            let (a, _) = column(dice, columns);
            let to = *dice.of(&["", " to typeof(string)", " to typeof(long)"]);
            format!("mv-expand {a}{to}")
        }
        15 => {
            let kind = *dice.of(&["", " kind=outer", " withsource=w"]);
            format!("union{kind} U")
        }
        _ => (*dice.of(&[
            "count",
            "take 5",
            "getschema",
            "sample 2",
            "serialize n = row_number()",
            "as q",
            "distinct *",
        ]))
        .to_owned(),
    }
}

fn summarize(dice: &mut Dice, columns: &mut Vec<(String, Type)>, step: usize) -> String {
    let (by, by_ty) = column(dice, columns);
    let (of, of_ty) = column(dice, columns);
    let fold = match dice.below(10) {
        0 => "count()".to_owned(),
        1 => format!("max({of})"),
        2 => format!("min({of}), sum({of})"),
        3 => format!("make_set({of})"),
        4 => format!("dcount({of}), avg({of})"),
        5 => format!("arg_max({of}, *)"),
        6 => format!("arg_min({of}, {by})"),
        7 => format!("countif({})", expr(dice, columns, Type::Bool, 1)),
        8 => format!("take_any({of}), make_list({of}, 3)"),
        _ => format!("percentiles({of}, 5, 95), stdev({of})"),
    };
    let by_text = match dice.below(4) {
        0 => String::new(),
        1 => format!(" by {by}"),
        2 if by_ty == Type::DateTime => format!(" by bin({by}, 1h)"),
        _ => format!(" by b{step} = {by}"),
    };
    if by_text.ends_with(&format!(" by {by}")) {
        *columns = vec![(by, by_ty)];
    } else if by_text.contains("b{step}") {
        *columns = vec![(format!("b{step}"), by_ty)];
    } else if fold == "count()" {
        *columns = vec![("count_".to_owned(), Type::Long)];
    }
    let _ = of_ty;
    format!("summarize {fold}{by_text}")
}
