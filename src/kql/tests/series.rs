//! Functions of whole series: what they compute, and which are absent on purpose.

use serde_json::json;

use super::super::functions::functions;
use super::{cells, query_findings};

#[test]
fn every_example_of_a_function_of_several_values_holds_for_the_first_of_them() {
    for function in functions().filter(|function| !function.parts.is_empty()) {
        for (text, expected) in function.examples {
            let both = cells(&format!("print x = {text}, expected = {expected} | project x, expected"));
            assert_eq!(both[0][0], both[0][1], "{text}");
        }
    }
}

#[test]
fn a_function_of_several_values_makes_columns_and_is_no_value() {
    for text in ["where series_stats(y) > 0", "extend x = 1 + series_fit_line(y)", "order by series_stats(y)"] {
        let found = query_findings(&format!("print y = dynamic([1, 2]) | {text}"));
        let codes: Vec<_> = found.iter().map(crate::diagnostics::Finding::code).collect();
        assert_eq!(codes, ["kql/several-values"], "{text}");
    }
}

#[test]
fn two_lines_are_split_at_the_same_place_however_large_the_values_are() {
    let text = |more: &str| {
        format!(
            "print y = dynamic([0, 1, 2, 3, 30, 20, 10]) | extend y = series_add(y, dynamic({more}))\
             | extend (square, at) = series_fit_2lines(y) | project round(square, 6), at"
        )
    };
    let large = format!("[{}]", ["1000000000000"; 7].join(","));
    assert_eq!(cells(&text("[0, 0, 0, 0, 0, 0, 0]")), json!([[1.0, 4]]));
    assert_eq!(cells(&text(&large)), json!([[1.0, 4]]));
}

#[test]
fn a_line_is_fitted_as_the_reference_shows() {
    // The figures of the reference for this series; it cuts them off where these are rounded.
    let text = "print y = dynamic([2, 5, 6, 8, 11, 15, 17, 18, 25, 26, 30, 30])\
        | extend (square, slope, variance, rest, start, line) = series_fit_line(y)\
        | project round(square, 3), round(slope, 3), round(variance, 3), round(rest, 3), round(start, 3),\
          round(toreal(line[0]), 3), array_length(line)";
    assert_eq!(cells(text), json!([[0.983, 2.731, 98.629, 1.686, -1.667, 1.064, 12]]));
}

#[test]
fn two_lines_are_split_where_they_fit_best() {
    let text = "print y = dynamic([0, 1, 2, 3, 30, 20, 10])\
        | extend (square, at) = series_fit_2lines(y)\
        | project round(square, 6), at, round(series_fit_2lines_y_left_slope, 6),\
          round(series_fit_2lines_y_right_slope, 6), round(series_fit_2lines_y_right_interception, 6)";
    assert_eq!(cells(text), json!([[1.0, 4, 1.0, -10.0, 40.0]]));
    assert_eq!(cells("print x = series_fit_2lines(dynamic([1, 2, 3]))"), json!([[null]]));
}

#[test]
fn statistics_of_what_is_no_number_are_null_unless_it_is_passed_over() {
    let text = |more: &str| {
        format!(
            "print y = dynamic([4, null, 1, 7]) | project (a, b, c, d, e) = series_stats(y{more}) | project a, b, c, d, e"
        )
    };
    assert_eq!(cells(&text("")), json!([[null, null, null, null, null]]));
    assert_eq!(cells(&text(", true")), json!([[1.0, 2, 7.0, 3, 4.0]]));
}

#[test]
fn vectors_of_two_lengths_have_no_product() {
    for function in ["series_dot_product", "series_cosine_similarity", "series_pearson_correlation"] {
        assert_eq!(
            cells(&format!("print x = {function}(dynamic([1, 2]), dynamic([1]))")),
            json!([[null]]),
            "{function}"
        );
    }
}

#[test]
fn what_would_be_another_answer_than_kustos_is_refused_by_name() {
    for call in [
        "series_decompose_anomalies(y, 2.5, -1, 'linefit')",
        "series_decompose_forecast(y, 3)",
        "series_decompose(y)",
        "series_outliers(y)",
        "geo_info_from_ip_address('1.2.3.4')",
    ] {
        for column in ["x =", "(a, b, c) ="] {
            let found = query_findings(&format!("print y = dynamic([1, 2]) | extend {column} {call}"));
            let name = call.split('(').next().unwrap();
            let told: Vec<_> = found.iter().map(|finding| (finding.code(), finding.message().contains(name))).collect();
            assert_eq!(told, [("kql/unsupported", true)], "{call}");
        }
    }
}

#[test]
fn a_random_value_is_for_queries_only() {
    assert_eq!(cells("range n from 1 to 3 step 1 | extend g = new_guid() | summarize dcount(g)"), json!([[3]]));
    assert_eq!(super::findings("tostring(new_guid()) == 'x'")[0].0, "kql/random");
}
