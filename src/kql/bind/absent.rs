//! Functions that are not here: those of Kusto, which are told as such instead of being taken for slips, and those of other
//! languages.

use crate::diagnostics::{Finding, quoted};

/// Functions that are absent on purpose, and why. Whatever stood in for them would give other answers than Kusto.
const ON_PURPOSE: [(&str, &str); 7] = [
    ("geo_info_from_ip_address", "it needs Kusto's own list of where addresses are; join a table of your own instead"),
    ("series_decompose", SEASONS),
    ("series_decompose_anomalies", SEASONS),
    ("series_decompose_forecast", SEASONS),
    ("series_outliers", SEASONS),
    ("series_periods_detect", SEASONS),
    ("series_periods_validate", SEASONS),
];
const SEASONS: &str =
    "how Kusto finds seasons and outliers is not published; series_stats and series_fit_line are here";

/// Kusto's other functions and aggregates that are not here.
///
/// Source: the functions and aggregates of `@kusto/language-service-next`.
const LACKING: &str = "
    all around arraylength assert base64_encode_fromarray beta_cdf beta_inv beta_pdf bin_auto convert_angle
    convert_energy convert_force convert_length convert_mass convert_speed convert_temperature convert_volume
    current_cluster_endpoint current_cursor current_database current_node_id current_principal
    current_principal_details current_principal_is_member_of cursor_after cursor_before_or_at cursor_current
    datetime_list_timezones datetime_local_to_utc datetime_utc_to_local dcount_hll decimal entity_group erf erfc
    estimate_data_size extent_id extent_tags extentid external_table gamma geo_angle geo_azimuth
    geo_closest_point_on_line geo_closest_point_on_polygon geo_distance_2points geo_distance_point_to_line
    geo_distance_point_to_polygon geo_from_wkt geo_geohash_neighbors geo_geohash_to_central_point
    geo_geohash_to_polygon geo_h3cell_children geo_h3cell_level geo_h3cell_neighbors geo_h3cell_parent
    geo_h3cell_rings geo_h3cell_to_central_point geo_h3cell_to_polygon geo_intersection_2lines
    geo_intersection_2polygons geo_intersection_line_with_polygon geo_intersects_2lines geo_intersects_2polygons
    geo_intersects_line_with_polygon geo_line_buffer geo_line_centroid geo_line_densify geo_line_interpolate_point
    geo_line_length geo_line_locate_point geo_line_simplify geo_line_to_s2cells geo_point_buffer geo_point_in_circle
    geo_point_in_polygon geo_point_to_geohash geo_point_to_h3cell geo_point_to_s2cell geo_polygon_area
    geo_polygon_buffer geo_polygon_centroid geo_polygon_densify geo_polygon_perimeter geo_polygon_simplify
    geo_polygon_to_h3cells geo_polygon_to_s2cells geo_s2cell_neighbors geo_s2cell_to_central_point
    geo_s2cell_to_polygon geo_simplify_polygons_array geo_union_lines_array geo_union_polygons_array graph
    gzip_compress_to_base64_string gzip_decompress_from_base64_string hash_combine hash_many hll_isvalid hll_merge
    inner_nodes iscolumnexists isutf8 labels loggamma map materialized_view merge_tdigest node_degree_in
    node_degree_out node_id parse_user_agent parse_version parseurl parseurlquery percentile_tdigest
    percentiles_array_tdigest percentrank_tdigest punycode_domain_from_string punycode_domain_to_string
    punycode_from_string punycode_to_string rand rank_tdigest row_id row_rank rowstore_ordinal_range series_fft
    series_fir series_fit_2lines_dynamic series_fit_line_dynamic series_fit_poly series_ifft series_iir
    series_seasonal series_stats_dynamic stored_query_result tdigest_isvalid tdigest_merge todecimal treepath
    welch_test zlib_compress_to_base64_string zlib_decompress_from_base64_string
    buildschema covariance covarianceif covariancep covariancepif hll hll_if merge_tdigest percentilesw_array
    tdigest tdigest_merge
";

/// What other languages call functions that are here.
const ELSEWHERE: [(&str, &str); 18] = [
    ("charindex", "indexof"),
    ("concat", "strcat"),
    ("date_diff", "datetime_diff"),
    ("datediff", "datetime_diff"),
    ("dateadd", "datetime_add"),
    ("getdate", "now"),
    ("ifnull", "coalesce"),
    ("instr", "indexof"),
    ("len", "strlen"),
    ("length", "strlen"),
    ("lower", "tolower"),
    ("nvl", "coalesce"),
    ("substr", "substring"),
    ("to_lower", "tolower"),
    ("to_upper", "toupper"),
    ("tolowercase", "tolower"),
    ("touppercase", "toupper"),
    ("upper", "toupper"),
];

/// What is said of a function or an aggregate of Kusto that is not here; `None` when Kusto has none of that name.
pub(super) fn absent(name: &str) -> Option<Finding> {
    let reason = ON_PURPOSE.iter().find(|(absent, _)| *absent == name).map(|(_, why)| *why);
    if reason.is_none() && !LACKING.split_whitespace().any(|absent| absent == name) {
        return None;
    }
    let finding = Finding::error("kql/unsupported", format!("the function {} is not in this version", quoted(name)));
    Some(if let Some(why) = reason { finding.help(why) } else { finding })
}

/// What a function is called here that another language calls so.
pub(super) fn here(name: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(there, _)| there.eq_ignore_ascii_case(name)).map(|(_, here)| *here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kql::aggregates::is_aggregate;
    use crate::kql::functions::function;

    #[test]
    fn what_is_said_to_lack_is_not_there_and_what_is_said_to_be_there_is() {
        let names = LACKING.split_whitespace().chain(ON_PURPOSE.iter().map(|(name, _)| *name));
        for name in names {
            assert!(function(name).is_none() && !is_aggregate(name), "{name}");
        }
        for (there, here) in ELSEWHERE {
            assert!(function(there).is_none() && function(here).is_some(), "{there}");
        }
    }
}
