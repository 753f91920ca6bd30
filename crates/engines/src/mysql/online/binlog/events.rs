//! The numbers of events in the binary log, and flags of theirs.

pub(super) const QUERY: u8 = 2;
pub(super) const ROTATE: u8 = 4;
pub(super) const FORMAT: u8 = 15;
pub(super) const XID: u8 = 16;
pub(super) const LOAD_BEGUN: u8 = 17;
pub(super) const LOAD_DONE: u8 = 18;
pub(super) const TABLE_MAP: u8 = 19;
pub(super) const INCIDENT: u8 = 26;
pub(super) const GTID: u8 = 33;
pub(super) const ANONYMOUS_GTID: u8 = 34;
pub(super) const XA_PREPARE: u8 = 38;
pub(super) const PAYLOAD: u8 = 40;
pub(super) const TAGGED_GTID: u8 = 42;
/// MariaDB's compressed statements and rows.
pub(super) const COMPRESSED_FIRST: u8 = 165;
pub(super) const COMPRESSED_LAST: u8 = 171;
/// Of events that may be passed over by whoever does not know them.
pub(super) const IGNORABLE: u16 = 0x80;
/// Ends of servers, values that statements need, heartbeats, comments, what belongs to group replication, names of transactions, and of MariaDB comments, checkpoints, names, lists of them, and the beginning of an encrypted
/// file.
pub(super) const NOTHING: &[u8] =
    &[3, 5, 13, 14, 27, 28, 29, GTID, ANONYMOUS_GTID, 35, 36, 37, 41, TAGGED_GTID, 160, 161, 162, 163, 164];
/// The number of no table: the last event of some statements.
pub(super) const NO_TABLE: u64 = 0x00ff_ffff;
