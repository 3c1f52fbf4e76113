//! Classification of the error codes of the server (`SQLSTATE`).

use crate::store::StoreErrorKind;

/// The kind of an error that the server reports with this code.
///
/// The statements and the types of their parameters are fixed, so a code that blames them shows
/// that the tables, a trigger on them, or the server are unsuitable for the store. The codes are
/// those of PostgreSQL's appendix A. A full code takes precedence over its class, which is its
/// first two characters.
pub(super) fn kind(code: &str) -> StoreErrorKind {
    use StoreErrorKind::{Damaged, Full, Misconfigured, Other, Unavailable};

    match code {
        "53100" => Full, // disk_full
        // configuration_limit_exceeded, database_dropped
        "53400" | "57P04" => Misconfigured,
        // lock_not_available, object_in_use, the timeouts of transactions;
        // read_only_sql_transaction, of a primary that has become a standby
        "55P03" | "55006" | "25P03" | "25P04" | "25006" => Unavailable,
        // undefined_file, duplicate_file, data_corrupted, index_corrupted
        "58P01" | "58P02" | "XX001" | "XX002" => Damaged,
        _ => match code.get(..2).unwrap_or_default() {
            // Connection, conflict between transactions, resources, operator.
            "08" | "40" | "53" | "57" => Unavailable,
            // Triggers, features, authorization, data, constraints, names, objects, configuration
            // file.
            "09" | "0A" | "0L" | "0P" | "22" | "23" | "26" | "27" | "28" | "2F" | "38" | "39" | "3D" | "3F" | "42"
            | "44" | "55" | "F0" | "P0" => Misconfigured,
            _ => Other,
        },
    }
}

/// Whether a single row may be the cause of an error with this code: a lock on it, a conflict with
/// another transaction, a constraint, or a trigger, which can raise any code.
pub(super) fn may_concern_one_row(code: &str) -> bool {
    match code {
        "57014" => true, // query_canceled, by `statement_timeout`
        // Connection, resources, operator, system, names and rights, configuration file, internal.
        _ => !matches!(code.get(..2).unwrap_or_default(), "08" | "53" | "57" | "58" | "42" | "F0" | "XX"),
    }
}

#[cfg(test)]
mod tests {
    use StoreErrorKind::{Damaged, Full, Misconfigured, Other, Unavailable};

    use super::*;

    #[test]
    fn a_lock_a_conflict_a_constraint_and_a_trigger_may_concern_one_row() {
        for code in ["55P03", "40001", "40P01", "23514", "22003", "P0001", "38000", "U0001", "57014"] {
            assert!(may_concern_one_row(code), "{code}");
        }
        for code in ["08006", "53100", "57P01", "58030", "42501", "42P01", "XX001"] {
            assert!(!may_concern_one_row(code), "{code}");
        }
    }

    #[test]
    fn each_code_has_the_kind_of_its_remedy() {
        for (code, name, expected) in [
            ("08000", "connection_exception", Unavailable),
            ("08006", "connection_failure", Unavailable),
            ("08P01", "protocol_violation, as PgBouncer reports its own failures", Unavailable),
            ("09000", "triggered_action_exception", Misconfigured),
            ("0A000", "feature_not_supported", Misconfigured),
            ("22003", "numeric_value_out_of_range", Misconfigured),
            ("22012", "division_by_zero", Misconfigured),
            ("23502", "not_null_violation", Misconfigured),
            ("23505", "unique_violation", Misconfigured),
            ("23514", "check_violation", Misconfigured),
            ("25006", "read_only_sql_transaction", Unavailable),
            ("25P02", "in_failed_sql_transaction", Other),
            ("25P03", "idle_in_transaction_session_timeout", Unavailable),
            ("25P04", "transaction_timeout", Unavailable),
            ("26000", "invalid_sql_statement_name", Misconfigured),
            ("28000", "invalid_authorization_specification", Misconfigured),
            ("28P01", "invalid_password", Misconfigured),
            ("3D000", "invalid_catalog_name", Misconfigured),
            ("3F000", "invalid_schema_name", Misconfigured),
            ("40001", "serialization_failure", Unavailable),
            ("40P01", "deadlock_detected", Unavailable),
            ("42501", "insufficient_privilege", Misconfigured),
            ("42601", "syntax_error", Misconfigured),
            ("42703", "undefined_column", Misconfigured),
            ("42804", "datatype_mismatch", Misconfigured),
            ("42883", "undefined_function", Misconfigured),
            ("42P01", "undefined_table", Misconfigured),
            ("42P10", "invalid_column_reference", Misconfigured),
            ("44000", "with_check_option_violation", Misconfigured),
            ("53000", "insufficient_resources", Unavailable),
            ("53100", "disk_full", Full),
            ("53200", "out_of_memory", Unavailable),
            ("53300", "too_many_connections", Unavailable),
            ("53400", "configuration_limit_exceeded", Misconfigured),
            ("54001", "statement_too_complex", Other),
            ("55000", "object_not_in_prerequisite_state", Misconfigured),
            ("55006", "object_in_use", Unavailable),
            ("55P03", "lock_not_available", Unavailable),
            ("57014", "query_canceled", Unavailable),
            ("57P01", "admin_shutdown", Unavailable),
            ("57P02", "crash_shutdown", Unavailable),
            ("57P03", "cannot_connect_now", Unavailable),
            ("57P04", "database_dropped", Misconfigured),
            ("57P05", "idle_session_timeout", Unavailable),
            ("58000", "system_error", Other),
            ("58030", "io_error", Other),
            ("58P01", "undefined_file", Damaged),
            ("F0000", "config_file_error", Misconfigured),
            ("P0001", "raise_exception", Misconfigured),
            ("XX000", "internal_error", Other),
            ("XX001", "data_corrupted", Damaged),
            ("XX002", "index_corrupted", Damaged),
            ("", "no code", Other),
            ("é", "not a code", Other),
        ] {
            assert_eq!(kind(code), expected, "{code} {name}");
        }
    }
}
