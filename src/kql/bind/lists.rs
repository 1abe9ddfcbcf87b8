//! Lists that are the same for all rows are hashed before there are any.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Binder;
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::lookup::{Asks, FEW, List, Lists, Lookup};
use crate::kql::ir::{Node, NodeKind};
use crate::kql::value::Value;

/// Constant arrays that are hashed, by where their elements lie: one that a query uses a thousand times is hashed once.
pub(super) type Hashed = BTreeMap<(Asks, *const Dynamic, usize), (Value, Arc<Lookup>)>;

impl Binder<'_, '_> {
    /// The node; of a call whose lists are the same for all rows, and not short, they are hashed.
    pub(super) fn with_lists(&mut self, mut node: Node) -> Node {
        if let NodeKind::Call(call) = &mut node.kind
            && let Some((asks, value)) = Asks::of(call.function.name)
        {
            let others = call.args.iter().enumerate().filter(|(at, _)| *at != value).map(|(_, arg)| arg);
            let only_array = call.function.null_in_null_out;
            call.lists = self.lists(asks, others, only_array).map(|all| Arc::new(Lists { asks, value, all }));
        }
        node
    }

    /// The arguments as lists; none when one depends on the row, when they are short, or when one must be an array and is
    /// none.
    fn lists<'n>(&mut self, asks: Asks, args: impl Iterator<Item = &'n Node>, only_array: bool) -> Option<Vec<List>> {
        let (mut lists, mut arrays, mut lone) = (Vec::new(), Vec::new(), Vec::new());
        for arg in args {
            match &arg.kind {
                NodeKind::Let(index) => lists.push(List::Let(*index)),
                NodeKind::Const(value) => match value.as_dynamic().and_then(Dynamic::items) {
                    Some(items) => arrays.push((value, items)),
                    None if only_array => return None,
                    None => lone.push(value),
                },
                _ => return None,
            }
        }
        let length = lone.len() + arrays.iter().map(|(_, items)| items.len()).sum::<usize>();
        if lists.is_empty() && length <= FEW {
            return None;
        }
        if !lone.is_empty() {
            lists.push(List::Constant(Arc::new(Lookup::of(asks, lone))));
        }
        for (value, items) in arrays {
            let hashed = || (value.clone(), Arc::new(Lookup::of(asks, [value])));
            let (_, lookup) = self.hashed.entry((asks, items.as_ptr(), items.len())).or_insert_with(hashed);
            lists.push(List::Constant(lookup.clone()));
        }
        Some(lists)
    }
}
