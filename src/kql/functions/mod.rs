//! Every function and every operator: one entry says all there is to know about it.
//!
//! The binder, the suggestions and the reference read these tables; a test runs every example.

mod args;
mod arithmetic;
mod arrays;
mod bags;
pub(super) mod calendar;
mod conditions;
mod conversions;
mod datetime;
mod digests;
mod dynamics;
mod encoding;
mod math;
mod network;
mod operators;
mod series;
mod strings;
mod text;
mod trends;
pub(super) mod windows;
mod written;

pub(super) use self::bags::steps_of_key;
pub(super) use self::operators::{fold, has_whole, same_any_case};
use super::error::KqlError;
use super::eval::Frame;
use super::value::{Type, Val};

/// One function or operator.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The arguments that must be given.
    pub(super) args: &'static [Arg],
    /// Those that may follow.
    pub(super) optional: &'static [Arg],
    /// What may be repeated after all of them, always as a whole.
    pub(super) rest: &'static [Arg],
    /// The places of arguments that are the same for all rows.
    pub(super) constants: &'static [usize],
    pub(super) gives: Gives,
    /// Whether one null argument makes the result null (empty for a string), without a call.
    pub(super) null_in_null_out: bool,
    /// Whether the result depends on when it is asked for, so that it cannot be folded.
    pub(super) moment: bool,
    /// Whether the result is random. Such a function has no place in a condition, which is asked more than once.
    pub(super) random: bool,
    pub(super) naming: Naming,
    /// For a function of several columns: the end of each one's name, and its type. Its value is an array of them.
    pub(super) parts: &'static [(&'static str, Type)],
    pub(super) eval: Evaluate,
    /// One sentence for the reference.
    pub(super) doc: &'static str,
    /// Expressions and what they are equal to.
    pub(super) examples: &'static [(&'static str, &'static str)],
}

/// What a column without a name is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// `Column1` and so on.
    Own,
    /// As the first argument: `x` for `tostring(x)`.
    First,
    /// As the only argument.
    Only,
    /// `x_sorted` for `array_sort_asc(x)`.
    FirstAndWord(&'static str),
    /// `strlen_x` for `strlen(x)`, `strlen_` when the argument has no name.
    NameAndFirst,
    /// As [`Naming::NameAndFirst`], with another word: `type_x` for `gettype(x)`.
    WordAndFirst(&'static str),
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arg {
    /// Anything.
    Any,
    /// That type; a `dynamic` is converted, an `int` fits a `long`, both fit a `real`.
    Is(Type),
    /// One of these types; a `dynamic` counts only when it is among them.
    OneOf(&'static [Type]),
    /// A string, as `Is` takes it, but no dynamic literal.
    Term,
    /// Any scalar, as text.
    Text,
    /// An `int`, a `long` or a `real`, as it is.
    Number,
    /// A string that is a regular expression; compiled once when it is constant.
    Regex,
    /// A string that is the format of a datetime, or else of a timespan.
    Format { datetime: bool },
    /// A string that says where a property of a bag is.
    Key,
    /// An array of such strings.
    Keys,
    /// One of these words, constant, in upper or lower case.
    Word(&'static [&'static str]),
}

/// The type of the result.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gives {
    Is(Type),
    /// By the types of the arguments; `None` when they do not go together.
    By(fn(&[Type]) -> Option<Type>),
}

/// A function of its arguments' values.
pub(super) type Values = for<'a> fn(&Frame<'_>, &[Val<'a>]) -> Result<Val<'a>, KqlError>;

/// A function of nothing but its arguments' values.
pub(super) type Plain = for<'a> fn(&[Val<'a>]) -> Val<'a>;

/// A test of two values; `None` when it is unknown.
pub(super) type Test = fn(&Val<'_>, &Val<'_>) -> Option<bool>;

/// How the result is made.
#[derive(Debug, Clone, Copy)]
pub(super) enum Evaluate {
    Plain(Plain),
    Values(Values),
    /// Of two values.
    Test(Test),
    /// Whether the test holds for the first value and one of the others, or of the elements of an array among them.
    AnyOf(Test),
    /// Of one number; null when there is none.
    Real(fn(f64) -> Option<f64>),
    /// A part of a moment.
    Part(&'static str),
    /// A moment so many units after 1970; the units of a second.
    Unix(f64),
    /// Arguments are only evaluated as needed; a node of its own kind.
    Lazy(Lazy),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lazy {
    And,
    Or,
    Case,
    Coalesce,
    IngestionTime,
}

impl Function {
    const fn new(name: &'static str, args: &'static [Arg], gives: Gives, eval: Values) -> Self {
        Self {
            name,
            args,
            optional: &[],
            rest: &[],
            constants: &[],
            gives,
            null_in_null_out: true,
            moment: false,
            random: false,
            naming: Naming::Own,
            parts: &[],
            eval: Evaluate::Values(eval),
            doc: "",
            examples: &[],
        }
    }

    /// A function that needs nothing but its arguments and cannot fail.
    const fn plain(name: &'static str, args: &'static [Arg], gives: Gives, eval: Plain) -> Self {
        let mut function = Self::lazy(name, args, gives, Lazy::And);
        function.eval = Evaluate::Plain(eval);
        function
    }

    const fn test(name: &'static str, args: &'static [Arg], gives: Gives, test: Test) -> Self {
        let mut function = Self::lazy(name, args, gives, Lazy::And);
        function.eval = Evaluate::Test(test);
        function
    }

    const fn any_of(name: &'static str, args: &'static [Arg], gives: Gives, test: Test) -> Self {
        let mut function = Self::lazy(name, args, gives, Lazy::And);
        function.eval = Evaluate::AnyOf(test);
        function
    }

    const fn real(name: &'static str, args: &'static [Arg], eval: fn(f64) -> Option<f64>) -> Self {
        let mut function = Self::lazy(name, args, Gives::Is(Type::Real), Lazy::And);
        function.eval = Evaluate::Real(eval);
        function
    }

    const fn part(name: &'static str, args: &'static [Arg], gives: Gives, part: &'static str) -> Self {
        let mut function = Self::lazy(name, args, gives, Lazy::And);
        function.eval = Evaluate::Part(part);
        function
    }

    const fn unix(name: &'static str, args: &'static [Arg], gives: Gives, per_second: f64) -> Self {
        let mut function = Self::lazy(name, args, gives, Lazy::And);
        function.eval = Evaluate::Unix(per_second);
        function
    }

    const fn lazy(name: &'static str, args: &'static [Arg], gives: Gives, lazy: Lazy) -> Self {
        let mut function = Self::new(name, args, gives, |_, _| Ok(Val::Null));
        function.eval = Evaluate::Lazy(lazy);
        function
    }

    const fn optional(mut self, optional: &'static [Arg]) -> Self {
        self.optional = optional;
        self
    }

    const fn rest(mut self, rest: &'static [Arg]) -> Self {
        self.rest = rest;
        self
    }

    const fn constants(mut self, constants: &'static [usize]) -> Self {
        self.constants = constants;
        self
    }

    /// Sees nulls itself.
    const fn sees_null(mut self) -> Self {
        self.null_in_null_out = false;
        self
    }

    const fn moment(mut self) -> Self {
        self.moment = true;
        self
    }

    const fn random(mut self) -> Self {
        self.random = true;
        self.moment()
    }

    const fn keeps_name(mut self) -> Self {
        self.naming = Naming::First;
        self
    }

    const fn named(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    const fn named_with_first(mut self) -> Self {
        self.naming = Naming::NameAndFirst;
        self
    }

    const fn parts(mut self, parts: &'static [(&'static str, Type)]) -> Self {
        self.parts = parts;
        self
    }

    const fn doc(mut self, doc: &'static str, examples: &'static [(&'static str, &'static str)]) -> Self {
        self.doc = doc;
        self.examples = examples;
        self
    }

    /// Whether it is a test, as `has` and `==` are.
    pub(super) fn gives_bool(&self) -> bool {
        match self.gives {
            Gives::Is(ty) => ty == Type::Bool,
            Gives::By(rule) => rule(&[Type::Long, Type::Long]) == Some(Type::Bool),
        }
    }

    /// What the argument at that position may be; `None` when there is no such position.
    pub(super) fn arg(&self, at: usize) -> Option<Arg> {
        let before = self.args.len() + self.optional.len();
        let again = || self.rest.get(at.checked_sub(before)?.checked_rem(self.rest.len())?);
        self.args.iter().chain(self.optional).nth(at).or_else(again).copied()
    }
}

/// Calls a function that is more than a plain table entry.
pub(super) fn special<'a>(eval: Evaluate, args: &[Val<'a>]) -> Val<'a> {
    match eval {
        Evaluate::Real(eval) => args::real(args, 0).and_then(eval).map_or(Val::Null, Val::Real),
        Evaluate::Part(part) => calendar::part_value(part, args),
        Evaluate::Unix(per_second) => calendar::unix_value(per_second, args),
        Evaluate::Plain(eval) => eval(args),
        Evaluate::Test(test) => operators::two(args, test),
        Evaluate::AnyOf(test) => Val::Bool(operators::is_in(args, test)),
        Evaluate::Values(_) | Evaluate::Lazy(_) => Val::Null,
    }
}

/// The function of that name.
pub(super) fn function(name: &str) -> Option<&'static Function> {
    functions().find(|function| function.name == name)
}

/// The operator of that name; a negated one (`!has`) is the negation of another.
pub(super) fn operator(name: &str) -> Option<&'static Function> {
    operators().find(|function| function.name == name)
}

/// All functions.
pub(super) fn functions() -> impl Iterator<Item = &'static Function> {
    [
        arrays::FUNCTIONS,
        bags::FUNCTIONS,
        calendar::FUNCTIONS,
        conditions::FUNCTIONS,
        conversions::FUNCTIONS,
        datetime::FUNCTIONS,
        dynamics::FUNCTIONS,
        encoding::FUNCTIONS,
        math::FUNCTIONS,
        network::FUNCTIONS,
        series::FUNCTIONS,
        strings::FUNCTIONS,
        text::FUNCTIONS,
        trends::FUNCTIONS,
        written::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// All operators.
pub(super) fn operators() -> impl Iterator<Item = &'static Function> {
    [operators::OPERATORS, arithmetic::OPERATORS].into_iter().flatten()
}

/// The type that two types meet in: their own, or the wider of two numbers.
pub(super) fn common_type(a: Type, b: Type) -> Option<Type> {
    match (a, b) {
        (a, b) if a == b => Some(a),
        (a, b) if !a.is_number() || !b.is_number() => None,
        (Type::Real, _) | (_, Type::Real) => Some(Type::Real),
        _ => Some(Type::Long),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Source;
    use crate::kql::compile::scalar;
    use crate::kql::value::Value;
    use crate::kql::{Cx, Schema};

    fn value(text: &str) -> (Value, Type) {
        let compiled = scalar(text, &Source::new("q", text).whole(), &Schema::default(), None);
        let compiled = compiled.unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
        (compiled.eval(&[], &Cx::at(17_724_960_000_000_000)).unwrap(), compiled.ty())
    }

    #[test]
    fn every_example_holds() {
        // Those of several values are no value; their examples are in `kql/tests/series.rs`.
        for function in functions().chain(operators()).filter(|function| function.parts.is_empty()) {
            for (text, expected) in function.examples {
                assert_eq!(value(text), value(expected), "{}: {text}", function.name);
            }
        }
    }

    #[test]
    fn every_entry_is_described_shown_and_named_once() {
        let mut names: Vec<_> = functions().chain(operators()).map(|function| function.name).collect();
        for function in functions().chain(operators()) {
            // What is random equals nothing.
            let shown = !function.examples.is_empty() || function.random;
            assert!(!function.doc.is_empty() && shown, "{}", function.name);
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
