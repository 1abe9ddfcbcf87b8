//! A condition over a table in memory, which is tried batch by batch, means what it means row by row.

use super::*;

/// More rows than two batches have, every column with cells that are null or empty.
fn many() -> World {
    let rows: Vec<Json> = (0..700_u16)
        .map(|n| {
            let null_every = |every: u16, cell: Json| if n % every == 0 { Json::Null } else { cell };
            json!([
                null_every(7, json!(n % 50)),
                null_every(5, json!(f64::from(n % 9) - 4.5)),
                if n % 11 == 0 {
                    ""
                } else {
                    ["Alpha beta", "alpha-beta", "ALPHA", "gamma_1", "Ωmega x"][usize::from(n % 5)]
                },
                null_every(3, json!(print_datetime(NOW - i64::from(n) * HOUR))),
                null_every(4, json!(n % 2 == 0)),
                null_every(6, json!({"a": n % 3, "b": ["x", n]})),
            ])
        })
        .collect();
    let columns = [
        ("L", Type::Long),
        ("R", Type::Real),
        ("S", Type::String),
        ("D", Type::DateTime),
        ("B", Type::Bool),
        ("X", Type::Dynamic),
    ];
    World::default().with("T", &columns, &json!(rows))
}

#[test]
fn what_a_comparison_keeps_does_not_depend_on_how_it_is_tried() {
    let world = many();
    let rows = |text: &str| {
        let compiled =
            compile_query(&Source::new("q.kql", text), &world).unwrap_or_else(|found| panic!("{text}: {found:?}"));
        compiled.run(&world, &Cx::at(NOW)).unwrap().rows
    };
    let (mut kept, mut dropped) = (0, 0);
    for condition in [
        "L == 7",
        "L > 9223372036854775807 or L == 3",
        "L > 9223372036854775806",
        "L >= 3 and L <= 9 and L != 5",
        "L > 3 and not(L > 9)",
        "R > 0 and R < 2.5",
        "R >= -0.0",
        "R > 2 and R <= 3",
        "S == 'ALPHA' and S != 'gamma_1'",
        "S in ('ALPHA', 'gamma_1')",
        "S != ''",
        "D >= ago(200h) and D < ago(100h)",
        "L != 7",
        "L < 20",
        "L >= 49",
        "L in (1, 2, 7)",
        "L !in (1, 2, 7)",
        "L between (3 .. 9)",
        "L !between (3 .. 9)",
        "R == 0.5",
        "R > -1",
        "R <= 2.5",
        "L > R",
        "S == 'ALPHA'",
        "S =~ 'alpha'",
        "S != 'ALPHA'",
        "S !~ 'alpha'",
        "S has 'beta'",
        "S !has 'beta'",
        "S has_cs 'Alpha'",
        "S contains 'PHA'",
        "S !contains 'pha'",
        "S startswith 'alpha'",
        "S endswith 'x'",
        "S hasprefix 'gam'",
        "S has_any ('beta', 'omega')",
        "S has_all ('alpha', 'beta')",
        "S in~ ('alpha', 'GAMMA_1')",
        "S !in~ ('alpha')",
        "S matches regex '^[A-Z]+$'",
        "S has 'ωmega'",
        "D > ago(100h)",
        "D == datetime(null)",
        "D between (ago(200h) .. ago(100h))",
        "B == true",
        "B != true",
        "B",
        "isnull(L)",
        "isnotnull(D)",
        "isempty(S)",
        "X.a == 1",
        "X.b[0] == 'x'",
        "L == 7 or isnull(L)",
        "L < 20 and S has 'alpha' and B == false",
        "not(L == 7) and not(S has 'beta') and not(R > 0)",
    ] {
        for text in [condition.to_owned(), format!("not({condition})"), format!("L != 3 and not({condition})")] {
            let batched = rows(&format!("T | where {text} | project L, R, S, D"));
            let plain = rows(&format!("T | extend one = 1 | where {text} | project L, R, S, D"));
            assert_eq!(batched, plain, "{text}");
            kept += batched.len();
            dropped += 700 - batched.len();
        }
    }
    assert!(kept > 10_000 && dropped > 10_000, "{kept} and {dropped}: they say something");
}

#[test]
fn a_rotten_cell_is_reported_once_it_is_looked_at() {
    let mut world = many();
    let table = world.0.get_mut("T").unwrap();
    let rotten = table.rows.iter().map(|row| {
        let mut cells = row.to_vec();
        if cells[2].as_str() == Some("gamma_1") {
            cells[0] = Value::from("no number");
        }
        cells
    });
    *table = Table::new(table.columns.clone(), rotten.collect::<Vec<_>>());
    let run = |condition: &str| {
        let text = format!("T | where {condition} | count");
        compile_query(&Source::new("q.kql", text), &world).unwrap().run(&world, &Cx::at(NOW))
    };
    let rotten = KqlError::RowShape { column: 0, expected: Type::Long, found: "string" };
    for condition in ["L > 3", "L in (1, 2)", "L + 1 > 3", "S != '' and L > 3", "S != '' and L + 1 > 3"] {
        assert_eq!(run(condition).unwrap_err(), rotten, "{condition}");
    }
    for condition in ["S != ''", "S == 'ALPHA' and L > 3", "S == 'ALPHA' and L + 1 > 3"] {
        assert!(run(condition).is_ok_and(|counted| counted.rows[(0, 0)] != Val::Long(0)), "{condition}");
    }
}

#[test]
fn whether_a_rotten_cell_is_told_does_not_depend_on_batches_and_the_order_in_which_they_compare() {
    // Each row has one reason to be dropped before the rotten cell is looked at, or none.
    let columns = [("A", Type::Long), ("B", Type::String), ("C", Type::Long)];
    let rows: Vec<Json> = (0..400).map(|n| json!([n, format!("b{}", n % 2), n % 3])).collect();
    let good = World::default().with("T", &columns, &json!(rows));
    let rotten = |at: usize, column: usize| {
        let mut world = World::default();
        let table = &good.0["T"];
        let cells = table.rows.iter().enumerate().map(|(row, cells)| {
            let mut cells = cells.to_vec();
            if row == at {
                cells[column] = Value::Bool(true);
            }
            cells
        });
        world.0.insert("T".to_owned(), Table::new(table.columns.clone(), cells.collect::<Vec<_>>()));
        world
    };
    let run = |text: &str, world: &World| {
        let compiled = compile_query(&Source::new("q.kql", text), world).unwrap_or_else(|found| panic!("{found:?}"));
        compiled.run(world, &Cx::at(NOW)).map(|table| table.rows.iter().map(Cells::to_vec).collect::<Vec<_>>())
    };
    let mut told = 0;
    for condition in [
        "strlen(B) > 5 and A >= 0",
        "A >= 0 and strlen(B) > 5",
        "A + 1 > 3 and B == 'b1'",
        "C == 1 and A + 1 > 3 and B == 'b0'",
        "B has 'b0' and A >= 0 and C == 1",
        "A >= 0 and B == 'b0' and A <= 300",
        "not(A == 7) and C + 0 >= 0 and B in ('b0', 'b1')",
        "B == 'b0' or A == 3",
    ] {
        for (at, column) in [(7, 0), (8, 0), (300, 0), (9, 2), (10, 1), (11, 1)] {
            let world = rotten(at, column);
            for end in ["take 2", "count", "project B"] {
                let batched = run(&format!("T | where {condition} | {end}"), &world);
                // A condition that is no comparison itself goes row by row.
                let plain = run(&format!("T | where iff({condition}, true, false) | {end}"), &world);
                told += usize::from(plain.is_err());
                assert_eq!(batched, plain, "{condition} | {end}: row {at}, column {column}");
            }
        }
    }
    assert!((20..100).contains(&told), "{told}: they say something");
}
