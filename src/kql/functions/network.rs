//! IPv4 and IPv6 addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::args::{array, bool_value, items, long, long_or, long_value, text};
use super::{Arg, Function, Gives};
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::convert::{scalar, text_of};
use crate::kql::value::{Type, Val};

const BOOL: Gives = Gives::Is(Type::Bool);
const LONG: Gives = Gives::Is(Type::Long);
const STRING: Gives = Gives::Is(Type::String);
const TEXT: &[Arg] = &[Arg::Is(Type::String)];
const TEXTS: &[Arg] = &[Arg::Is(Type::String), Arg::Is(Type::String)];
/// One, or an array of them.
const RANGES: Arg = Arg::OneOf(&[Type::String, Type::Dynamic]);
const PREFIX: &[Arg] = &[Arg::Is(Type::Long)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("ipv4_is_private", TEXT, BOOL, |args| {
        bool_value(Range::read(text(args, 0)).map(|range| PRIVATE.iter().any(|private| private.holds(range))))
    })
    .doc(
        "Whether an address is of a private network; null when it is no address.",
        &[
            ("ipv4_is_private('192.168.1.1/24')", "true"),
            ("ipv4_is_private('10.1.2.3')", "true"),
            ("ipv4_is_private('172.32.0.1')", "false"),
            ("ipv4_is_private('x')", "bool(null)"),
        ],
    ),
    Function::plain("ipv4_is_match", TEXTS, BOOL, |args| bool_value(compare_v4(args).map(|order| order == 0)))
        .optional(PREFIX)
        .doc(
            "Whether two addresses are equal under the shorter of their prefixes.",
            &[
                ("ipv4_is_match('192.168.1.1', '192.168.1.255/24')", "true"),
                ("ipv4_is_match('127.0.0.1', '192.168.1.1')", "false"),
                ("ipv4_is_match('192.168.1.1', '192.168.1.255', 24)", "true"),
            ],
        ),
    Function::plain("ipv4_compare", TEXTS, LONG, |args| long_value(compare_v4(args))).optional(PREFIX).doc(
        "-1, 0 or 1, as the first address is before, equal to or behind the second.",
        &[("ipv4_compare('127.0.0.1', '127.0.0.1')", "0"), ("ipv4_compare('192.168.1.1', '192.168.1.255')", "-1")],
    ),
    Function::plain("ipv4_is_in_range", TEXTS, BOOL, |args| bool_value(in_range(text(args, 0), text(args, 1)))).doc(
        "Whether an address is in a range.",
        &[
            ("ipv4_is_in_range('192.168.1.6', '192.168.1.1/24')", "true"),
            ("ipv4_is_in_range('192.168.1.1', '192.168.2.1/24')", "false"),
        ],
    ),
    Function::plain("ipv4_is_in_any_range", &[Arg::Is(Type::String), RANGES], BOOL, |args| {
        bool_value(any_of(args, |range| in_range(text(args, 0), range)))
    })
    .rest(&[RANGES])
    .doc(
        "Whether an address is in one of the ranges.",
        &[
            ("ipv4_is_in_any_range('192.168.1.6', '10.0.0.0/8', '192.168.1.1/24')", "true"),
            ("ipv4_is_in_any_range('1.1.1.1', dynamic(['10.0.0.0/8']))", "false"),
        ],
    ),
    Function::plain("parse_ipv4", TEXT, LONG, |args| {
        long_value(Range::read(text(args, 0)).map(|range| i64::from(range.first())))
    })
    .doc(
        "An address as a number.",
        &[("parse_ipv4('127.0.0.1')", "2130706433"), ("parse_ipv4('192.1.168.1/24')", "3221334016")],
    ),
    Function::plain("parse_ipv4_mask", &[Arg::Is(Type::String), Arg::Is(Type::Long)], LONG, |args| {
        let range = Range::read(text(args, 0)).zip(prefix(args, 1));
        long_value(range.map(|(range, bits)| i64::from(range.cut(bits).first())))
    })
    .doc(
        "An address under a prefix as a number.",
        &[("parse_ipv4_mask('192.1.168.2', 24) == parse_ipv4('192.1.168.0')", "true")],
    ),
    Function::plain("format_ipv4", &[Arg::Any], STRING, |args| {
        number_address(args)
            .zip(prefix_or(args, 1))
            .map_or(Val::Null, |(range, bits)| Ipv4Addr::from(range.cut(bits).first()).to_string().into())
    })
    .optional(PREFIX)
    .doc(
        "A number or a text as an address, under a prefix.",
        &[("format_ipv4('192.168.1.255', 24)", "'192.168.1.0'"), ("format_ipv4(3232236031)", "'192.168.1.255'")],
    ),
    Function::plain("format_ipv4_mask", &[Arg::Any], STRING, |args| {
        number_address(args).zip(prefix_or(args, 1)).map_or(Val::Null, |(range, bits)| {
            let bits = bits.min(range.bits);
            format!("{}/{bits}", Ipv4Addr::from(range.cut(bits).first())).into()
        })
    })
    .optional(PREFIX)
    .doc(
        "As format_ipv4, with the prefix behind it.",
        &[("format_ipv4_mask('192.168.1.255', 24)", "'192.168.1.0/24'")],
    ),
    Function::plain("ipv4_netmask_suffix", TEXT, LONG, |args| {
        long_value(Range::read(text(args, 0)).map(|range| i64::from(range.bits)))
    })
    .doc(
        "The length of the prefix; 32 without one.",
        &[("ipv4_netmask_suffix('10.1.2.3')", "32"), ("ipv4_netmask_suffix('10.1.2.3/24')", "24")],
    ),
    Function::plain("ipv4_range_to_cidr_list", TEXTS, Gives::Is(Type::Dynamic), |args| {
        let ends = Range::read(text(args, 0)).zip(Range::read(text(args, 1)));
        ends.map_or(Val::Null, |(a, b)| {
            array(cidrs(a.address, b.address).into_iter().map(|text| Dynamic::Str(text.into())))
        })
    })
    .doc(
        "The fewest ranges that make up what lies between two addresses.",
        &[(
            "tostring(ipv4_range_to_cidr_list('1.1.128.0', '1.1.140.255'))",
            r#"'["1.1.128.0/21","1.1.136.0/22","1.1.140.0/24"]'"#,
        )],
    ),
    Function::plain("has_ipv4", TEXTS, BOOL, |args| Val::Bool(has_address(text(args, 0), text(args, 1), false))).doc(
        "Whether a text holds that address.",
        &[
            ("has_ipv4('05:04:54 127.0.0.1 GET /favicon.ico 404', '127.0.0.1')", "true"),
            ("has_ipv4('05:04:54 127.0.0.256 GET', '127.0.0.256')", "false"),
        ],
    ),
    Function::plain("has_ipv4_prefix", TEXTS, BOOL, |args| Val::Bool(has_address(text(args, 0), text(args, 1), true)))
        .doc(
            "Whether a text holds an address that begins so.",
            &[
                ("has_ipv4_prefix('05:04:54 127.0.0.1 GET', '127.0.')", "true"),
                ("has_ipv4_prefix('05:04:54 127.0.0.1 GET', '127.0')", "false"),
            ],
        ),
    Function::plain("has_any_ipv4", &[Arg::Is(Type::String), RANGES], BOOL, |args| {
        bool_value(any_of(args, |address| Some(has_address(text(args, 0), address, false))))
    })
    .rest(&[RANGES])
    .doc(
        "Whether a text holds one of the addresses.",
        &[("has_any_ipv4('x 127.0.0.1 y', '127.0.0.1', '127.0.0.2')", "true")],
    ),
    Function::plain("has_any_ipv4_prefix", &[Arg::Is(Type::String), RANGES], BOOL, |args| {
        bool_value(any_of(args, |address| Some(has_address(text(args, 0), address, true))))
    })
    .rest(&[RANGES])
    .doc(
        "Whether a text holds an address that begins with one of the prefixes.",
        &[("has_any_ipv4_prefix('x 127.0.0.1 y', dynamic(['10.', '127.0.']))", "true")],
    ),
    Function::plain("ipv6_compare", TEXTS, LONG, |args| long_value(compare_v6(args))).optional(PREFIX).doc(
        "As ipv4_compare, for IPv6; an IPv4 address counts as its mapped form.",
        &[
            ("ipv6_compare('192.168.1.1', '192.168.1.1')", "0"),
            ("ipv6_compare('fe80::85d:e82c:9446:7994', 'fe80::85d:e82c:9446:7995')", "-1"),
        ],
    ),
    Function::plain("ipv6_is_match", TEXTS, BOOL, |args| bool_value(compare_v6(args).map(|order| order == 0)))
        .optional(PREFIX)
        .doc("As ipv4_is_match, for IPv6.", &[("ipv6_is_match('fe80::1', 'fe80::2', 120)", "true")]),
    Function::plain("ipv6_is_in_range", TEXTS, BOOL, |args| bool_value(in_range_v6(text(args, 0), text(args, 1))))
        .doc("Whether an address is in a range.", &[("ipv6_is_in_range('fe80::7994', 'fe80::7995/120')", "true")]),
    Function::plain("ipv6_is_in_any_range", &[Arg::Is(Type::String), RANGES], BOOL, |args| {
        bool_value(any_of(args, |range| in_range_v6(text(args, 0), range)))
    })
    .rest(&[RANGES])
    .doc(
        "Whether an address is in one of the ranges.",
        &[("ipv6_is_in_any_range('fe80::7994', dynamic(['a0::/16', 'fe80::7995/120']))", "true")],
    ),
    Function::plain("parse_ipv6", TEXT, STRING, |args| {
        read_v6(text(args, 0)).map_or(Val::Null, |(address, bits)| full_v6(address & mask_v6(bits)).into())
    })
    .doc(
        "An address with all its digits.",
        &[("parse_ipv6('127.0.0.1')", "'0000:0000:0000:0000:0000:ffff:7f00:0001'")],
    ),
    Function::plain("parse_ipv6_mask", &[Arg::Is(Type::String), Arg::Is(Type::Long)], STRING, |args| {
        let bits = long(args, 1).and_then(|bits| u32::try_from(bits).ok()).filter(|bits| *bits <= 128);
        let read = read_v6(text(args, 0)).zip(bits);
        read.map_or(Val::Null, |((address, own), bits)| full_v6(address & mask_v6(own.min(bits))).into())
    })
    .doc(
        "An address under a prefix, with all its digits.",
        &[("parse_ipv6_mask('fe80::85d:e82c:9446:7994', 120)", "'fe80:0000:0000:0000:085d:e82c:9446:7900'")],
    ),
];

/// An IPv4 address and the length of its prefix.
#[derive(Debug, Clone, Copy)]
struct Range {
    address: u32,
    bits: u32,
}

const PRIVATE: [Range; 3] = [
    Range { address: 0x0a00_0000, bits: 8 },
    Range { address: 0xac10_0000, bits: 12 },
    Range { address: 0xc0a8_0000, bits: 16 },
];

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?),
            None => (text.trim(), 32),
        };
        Some(Self { address: u32::from(address.parse::<Ipv4Addr>().ok()?), bits })
    }

    fn cut(self, bits: u32) -> Self {
        Self { bits: self.bits.min(bits), ..self }
    }

    const fn first(self) -> u32 {
        if self.bits == 0 { 0 } else { self.address & (u32::MAX << (32 - self.bits)) }
    }

    fn holds(self, other: Self) -> bool {
        other.bits >= self.bits && other.cut(self.bits).first() == self.first()
    }
}

fn prefix(args: &[Val<'_>], at: usize) -> Option<u32> {
    long(args, at).and_then(|bits| u32::try_from(bits).ok()).filter(|bits| *bits <= 32)
}

fn prefix_or(args: &[Val<'_>], at: usize) -> Option<u32> {
    u32::try_from(long_or(args, at, 32)).ok().filter(|bits| *bits <= 32)
}

fn number_address(args: &[Val<'_>]) -> Option<Range> {
    match args.first()? {
        Val::Str(text) => Range::read(text),
        other => Some(Range { address: u32::try_from(other.as_long()?).ok()?, bits: 32 }),
    }
}

fn compare_v4(args: &[Val<'_>]) -> Option<i64> {
    let (a, b) = (Range::read(text(args, 0))?, Range::read(text(args, 1))?);
    let bits = prefix_or(args, 2)?.min(a.bits).min(b.bits);
    Some(a.cut(bits).first().cmp(&b.cut(bits).first()) as i64)
}

fn in_range(address: &str, range: &str) -> Option<bool> {
    let (address, range) = (Range::read(address)?, Range::read(range)?);
    Some(range.holds(address))
}

/// Whether the test holds for one of the further arguments, or of the elements of an array among them.
fn any_of(args: &[Val<'_>], test: impl Fn(&str) -> Option<bool>) -> Option<bool> {
    let mut known = None;
    for at in 1..args.len() {
        let texts: Vec<String> = match items(args, at) {
            Some(items) => items.iter().map(|item| text_of(&scalar(item)).into_owned()).collect(),
            None => vec![text(args, at).to_owned()],
        };
        for text in texts {
            match test(&text) {
                Some(true) => return Some(true),
                Some(false) => known = Some(false),
                None => {}
            }
        }
    }
    known
}

/// Whether an address stands in a text by itself, between characters that are no part of a term.
fn has_address(source: &str, wanted: &str, prefix: bool) -> bool {
    let fits = if prefix {
        wanted.ends_with('.') || wanted.parse::<Ipv4Addr>().is_ok()
    } else {
        wanted.parse::<Ipv4Addr>().is_ok()
    };
    if !fits {
        return false;
    }
    let is_part = |c: char| c.is_alphanumeric();
    source.split(|c: char| !c.is_ascii_digit() && c != '.').any(|part| {
        let part = part.trim_matches('.');
        let address = part.parse::<Ipv4Addr>().is_ok();
        let start = part.as_ptr() as usize - source.as_ptr() as usize;
        let before = source.get(..start).and_then(|text| text.chars().next_back());
        let after = source.get(start + part.len()..).and_then(|text| text.chars().next());
        let alone = !before.is_some_and(is_part) && !after.is_some_and(is_part);
        address && alone && (part == wanted || (prefix && part.starts_with(wanted)))
    })
}

/// Ranges of addresses from one to another.
fn cidrs(first: u32, last: u32) -> Vec<String> {
    let (mut at, last) = (u64::from(first), u64::from(last));
    let mut all = Vec::new();
    while at <= last {
        let aligned = if at == 0 { 32 } else { at.trailing_zeros().min(32) };
        let room = (last - at + 1).ilog2();
        let size = aligned.min(room);
        let address = Ipv4Addr::from(u32::try_from(at).unwrap_or(u32::MAX));
        all.push(format!("{address}/{}", 32 - size));
        at += 1_u64 << size;
    }
    all
}

/// An address and its prefix; an IPv4 address in its mapped form.
fn read_v6(text: &str) -> Option<(u128, u32)> {
    let (address, bits) = match text.trim().split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text.trim(), None),
    };
    if let Ok(v4) = address.strip_prefix("::").unwrap_or(address).parse::<Ipv4Addr>() {
        let bits = bits.unwrap_or(32);
        return (bits <= 32).then(|| (u128::from(v4.to_ipv6_mapped()), bits + 96));
    }
    let bits = bits.unwrap_or(128);
    let v6 = address.parse::<Ipv6Addr>().ok()?;
    (bits <= 128).then(|| (u128::from(v6), bits))
}

const fn mask_v6(bits: u32) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - bits) }
}

fn compare_v6(args: &[Val<'_>]) -> Option<i64> {
    let ((a, a_bits), (b, b_bits)) = (read_v6(text(args, 0))?, read_v6(text(args, 1))?);
    let given = u32::try_from(long_or(args, 2, 128)).ok().filter(|bits| *bits <= 128)?;
    let mask = mask_v6(given.min(a_bits).min(b_bits));
    Some((a & mask).cmp(&(b & mask)) as i64)
}

fn in_range_v6(address: &str, range: &str) -> Option<bool> {
    let ((address, own), (range, bits)) = (read_v6(address)?, read_v6(range)?);
    Some(own >= bits && address & mask_v6(bits) == range & mask_v6(bits))
}

fn full_v6(address: u128) -> String {
    let groups = (0..8).rev().map(|at| format!("{:04x}", (address >> (16 * at)) & 0xffff));
    groups.collect::<Vec<_>>().join(":")
}
