//! Sums and parts of moments and lengths of time, in ticks of 100 ns.

use serde_json::json;

use super::cells;

#[test]
fn moments_and_lengths_of_time_add_up() {
    let day = "datetime(2026-03-01)";
    let mut wrong = Vec::new();
    for (expression, expected) in [
        (format!("{day} + 1d"), json!("2026-03-02T00:00:00Z")),
        (format!("1d + {day}"), json!("2026-03-02T00:00:00Z")),
        (format!("{day} - 1tick"), json!("2026-02-28T23:59:59.9999999Z")),
        (format!("{day} - datetime(2026-02-28 12:00)"), json!("12:00:00")),
        (format!("({day} - datetime(2026-02-28)) / 1h"), json!(24.0)),
        ("1d / 7h".to_owned(), json!(3.428_571_428_571_428_4)),
        ("7d % 2d".to_owned(), json!("1.00:00:00")),
        ("1.5h * 2".to_owned(), json!("03:00:00")),
        ("2 * 90s".to_owned(), json!("00:03:00")),
        ("1h / 4".to_owned(), json!("00:15:00")),
        ("-(1h)".to_owned(), json!("-01:00:00")),
        ("1d + 2h + 3m + 4s + 5ms + 6microsecond + 7tick".to_owned(), json!("1.02:03:04.0050067")),
        (format!("bin({day} + 10h + 47m, 1h)"), json!("2026-03-01T10:00:00Z")),
        (format!("bin({day}, 7d)"), json!("2026-02-23T00:00:00Z")),
        ("bin(100m, 1h)".to_owned(), json!("01:00:00")),
        (format!("startofday({day} + 5h)"), json!("2026-03-01T00:00:00Z")),
        (format!("startofweek({day} + 3d)"), json!("2026-03-01T00:00:00Z")),
        (format!("startofmonth({day}, -1)"), json!("2026-02-01T00:00:00Z")),
        (format!("endofday({day})"), json!("2026-03-01T23:59:59.9999999Z")),
        (format!("endofmonth({day}, -1)"), json!("2026-02-28T23:59:59.9999999Z")),
        (format!("datetime_add('month', 1, {day} + 30d)"), json!("2026-04-30T00:00:00Z")),
        (format!("datetime_diff('day', {day}, {day} - 1tick)"), json!(1)),
        (format!("datetime_diff('hour', {day}, {day} + 61m)"), json!(-1)),
        (format!("dayofweek({day})"), json!("00:00:00")),
        (format!("hourofday({day} + 23h + 59m)"), json!(23)),
        (format!("datetime_part('Year', {day})"), json!(2026)),
        (format!("{day} between (datetime(2026-02-28) .. 1d)"), json!(true)),
        (format!("{day} !between (datetime(2026-02-28) .. 1h)"), json!(true)),
        ("todatetime('2026-03-01T10:00:00+02:00')".to_owned(), json!("2026-03-01T08:00:00Z")),
        ("totimespan('1.02:03:04.5')".to_owned(), json!("1.02:03:04.5000000")),
        ("format_datetime(datetime(2026-03-01 09:08:07.65), 'yy-M-d H:m:s.ff')".to_owned(), json!("26-3-1 9:8:7.65")),
        ("isnull(datetime(9999-12-31) + 365d)".to_owned(), json!(true)),
        ("isnull(datetime(0001-01-01) - 1tick)".to_owned(), json!(true)),
    ] {
        let found = cells(&format!("print x = {expression}"))[0][0].clone();
        if found != expected {
            wrong.push(format!("{expression}: {found} and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn now_is_one_moment_for_the_whole_query() {
    assert_eq!(cells("range n from 1 to 3 step 1 | extend t = now() | summarize dcount(t)"), json!([[1]]));
    assert_eq!(cells("print x = now() - ago(90m), y = now(1h) - now()"), json!([["01:30:00", "01:00:00"]]));
}
