//! What an expression compares columns with, as it is written: also of one that does not compile.

use super::ast::{Expr, ExprKind};
use super::compile::Compared;
use super::limits::Limits;
use super::parse;
use super::report::Report;
use crate::diagnostics::Place;

/// Gives `take` every text that a name is compared with for equality. What is wrong with the expression is not said
/// here: [`super::compile_expression`] says it.
pub fn compared_as_written(text: &str, place: &Place, mut take: impl FnMut(Compared<'_>)) {
    if text.len() <= Limits::TEXT {
        walk(&parse::expression(text, &mut Report::new(text, place)), &mut take);
    }
}

fn walk(expr: &Expr, take: &mut impl FnMut(Compared<'_>)) {
    match &expr.kind {
        ExprKind::Call { name, args, .. } => {
            let column =
                args.iter().find_map(|arg| if let ExprKind::Name(name) = &arg.kind { Some(name) } else { None });
            if let (Some(any_case), Some(column)) = (equality(&name.text), column) {
                for text in args.iter().filter_map(Expr::as_text) {
                    take(Compared { column, text, any_case });
                }
            }
            for arg in args {
                walk(arg, take);
            }
        }
        ExprKind::Property(base, _) | ExprKind::Assign(_, base) => walk(base, take),
        ExprKind::Element(base, index) => {
            walk(base, take);
            walk(index, take);
        }
        ExprKind::Error | ExprKind::Literal(..) | ExprKind::Name(_) | ExprKind::Star | ExprKind::Rows(_) => {}
    }
}

/// Whether such an operator, which says that two texts are equal or not, overlooks upper and lower case.
fn equality(operator: &str) -> Option<bool> {
    match operator {
        "==" | "!=" | "in" | "!in" => Some(false),
        "=~" | "!~" | "in~" | "!in~" => Some(true),
        _ => None,
    }
}
