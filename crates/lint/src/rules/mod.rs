//! The rules: one file each, one line here.

use crate::Rule;

mod add_check_copy;
mod add_check_validating;
mod add_column_auto_increment;
mod add_column_domain;
mod add_column_expression_default;
mod add_column_generated_stored;
mod add_column_implicit_value;
mod add_column_inline_check;
mod add_column_inline_references;
mod add_column_inline_unique_or_pk;
mod add_column_large_table;
mod add_column_not_null_no_default;
mod add_column_placed;
mod add_column_serial_or_identity;
mod add_column_volatile_default;
mod add_exclusion;
mod add_fk_copy;
mod add_fk_validating;
mod add_primary_key;
mod add_unique_constraint;
mod algorithm_not_asked_for;
pub(crate) mod allow_expired;
pub(crate) mod allow_unknown_rule;
pub(crate) mod allow_unused;
pub(crate) mod allow_without_reason;
mod attach_partition_scan;
mod broad_grant;
mod change_type_copy;
mod change_type_narrowing;
mod change_type_rewrite;
mod convert_charset;
mod create_index_blocking;
mod create_index_concurrently_in_tx;
mod create_index_invalid_leftover;
mod create_index_large;
mod create_index_on_partitioned;
mod create_partition_locks_parent;
mod create_table_locks_parent;
mod create_trigger;
mod ddl_in_transaction;
mod detach_partition_blocking;
mod disable_trigger;
mod dml_large;
mod dml_unbounded;
mod domain_constraint;
mod drop_cascade;
mod drop_column;
mod drop_column_with_dependents;
mod drop_constraint;
mod drop_index_blocking;
mod drop_index_not_hidden;
mod drop_not_null;
mod drop_schema;
mod drop_table;
mod enum_value_used_in_tx;
mod enum_values_redefined;
mod fk_orphans;
mod fk_type_mismatch;
mod fk_without_index;
mod identifier_too_long;
mod index_build_waits;
mod inline_references_ignored;
mod int_pk_exhaustion;
mod load_data_local;
mod mergeable_alters;
mod mixed_instant_and_rebuild;
mod mixed_transaction;
mod modify_nullability;
mod move_storage;
mod naming;
mod not_analysed;
mod opaque_do;
mod partition_blocking;
mod primary_key_change;
mod redundant_index;
mod refresh_matview_blocking;
mod reindex_blocking;
mod rename_column;
mod rename_enum_value;
mod rename_schema;
mod rename_table;
mod reserved_name;
mod row_security;
mod set_not_null;
mod set_role;
mod set_unlogged;
mod several_tables_locked;
mod small_primary_key;
mod table_rebuild;
mod table_without_primary_key;
mod timeout_in_script;
mod transaction_in_file;
mod truncate;
mod type_advice;
mod unique_duplicates;
mod vacuum_full_cluster;
mod validate_same_tx;
mod wide_index;
mod work_under_lock;

/// All rules, in the order of their codes.
pub static RULES: &[&Rule] = &[
    &not_analysed::RULE,
    &opaque_do::RULE,
    &transaction_in_file::RULE,
    &mixed_transaction::RULE,
    &validate_same_tx::RULE,
    &work_under_lock::RULE,
    &several_tables_locked::RULE,
    &mergeable_alters::RULE,
    &timeout_in_script::RULE,
    &allow_without_reason::RULE,
    &allow_expired::RULE,
    &allow_unused::RULE,
    &allow_unknown_rule::RULE,
    &set_role::RULE,
    &create_index_blocking::RULE,
    &create_index_concurrently_in_tx::RULE,
    &create_index_invalid_leftover::RULE,
    &drop_index_blocking::RULE,
    &reindex_blocking::RULE,
    &create_index_on_partitioned::RULE,
    &redundant_index::RULE,
    &wide_index::RULE,
    &index_build_waits::RULE,
    &change_type_rewrite::RULE,
    &set_not_null::RULE,
    &set_unlogged::RULE,
    &vacuum_full_cluster::RULE,
    &refresh_matview_blocking::RULE,
    &move_storage::RULE,
    &change_type_narrowing::RULE,
    &add_fk_validating::RULE,
    &add_check_validating::RULE,
    &add_unique_constraint::RULE,
    &add_primary_key::RULE,
    &add_exclusion::RULE,
    &domain_constraint::RULE,
    &fk_orphans::RULE,
    &unique_duplicates::RULE,
    &fk_type_mismatch::RULE,
    &create_table_locks_parent::RULE,
    &attach_partition_scan::RULE,
    &detach_partition_blocking::RULE,
    &create_partition_locks_parent::RULE,
    &disable_trigger::RULE,
    &create_trigger::RULE,
    &row_security::RULE,
    &rename_table::RULE,
    &rename_column::RULE,
    &drop_not_null::RULE,
    &rename_enum_value::RULE,
    &drop_constraint::RULE,
    &rename_schema::RULE,
    &drop_table::RULE,
    &drop_column::RULE,
    &drop_schema::RULE,
    &truncate::RULE,
    &dml_unbounded::RULE,
    &drop_column_with_dependents::RULE,
    &drop_cascade::RULE,
    &dml_large::RULE,
    &type_advice::RULE,
    &table_without_primary_key::RULE,
    &fk_without_index::RULE,
    &identifier_too_long::RULE,
    &small_primary_key::RULE,
    &reserved_name::RULE,
    &broad_grant::RULE,
    &int_pk_exhaustion::RULE,
    &naming::RULE,
    &enum_value_used_in_tx::RULE,
    &add_column_volatile_default::RULE,
    &add_column_serial_or_identity::RULE,
    &add_column_generated_stored::RULE,
    &add_column_not_null_no_default::RULE,
    &add_column_inline_check::RULE,
    &add_column_inline_unique_or_pk::RULE,
    &add_column_inline_references::RULE,
    &add_column_domain::RULE,
    &add_column_large_table::RULE,
    &change_type_copy::RULE,
    &enum_values_redefined::RULE,
    &convert_charset::RULE,
    &modify_nullability::RULE,
    &add_column_expression_default::RULE,
    &add_column_implicit_value::RULE,
    &add_column_placed::RULE,
    &add_column_auto_increment::RULE,
    &add_fk_copy::RULE,
    &add_check_copy::RULE,
    &primary_key_change::RULE,
    &inline_references_ignored::RULE,
    &create_index_large::RULE,
    &drop_index_not_hidden::RULE,
    &mixed_instant_and_rebuild::RULE,
    &algorithm_not_asked_for::RULE,
    &table_rebuild::RULE,
    &partition_blocking::RULE,
    &ddl_in_transaction::RULE,
    &load_data_local::RULE,
];
