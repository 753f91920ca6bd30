//! Every error that a user can meet: its code, its exit code, and the text of `cofferdam explain`.

use serde::Serialize;

/// The kinds of refusal. The number in [`Code::id`] is documented and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "ERRORS has a sentence for each")]
pub enum Code {
    // 20xx: the directory and its files
    NoSuchDirectory,
    EmptyDirectory,
    UnreadableFile,
    NotUtf8,
    DuplicateVersion,
    OutOfOrder,
    ChecksumChanged,
    FileGone,
    CallbackUnsupported,
    BadFileName,
    UnknownFormat,
    MissingPair,
    BadDirective,
    NulByte,
    PlaceholderUnsupported,
    // 21xx: the text of a script
    NotSplit,
    PsqlCommand,
    TransactionInFile,
    MixedTransaction,
    NotParsed,
    EmptyScript,
    // 22xx: reaching the database
    BadUrl,
    ConnectFailed,
    AuthFailed,
    DatabaseMissing,
    ReadOnlyServer,
    PermissionMissing,
    ServerTooOld,
    TlsFailed,
    PoolerNotSupported,
    NoUrl,
    ConnectionLost,
    BadServiceFile,
    // 23xx: running
    StatementFailed,
    LockNotObtained,
    BlockedOthers,
    LockHeldByOther,
    Fenced,
    CheckFailed,
    LintBlocked,
    RolledBack,
    RollbackFailed,
    OutcomeUnknown,
    Interrupted,
    TimedOut,
    JournalBroken,
    RunUnfinished,
    ContainerFailed,
    // 24xx: taking back
    NoWayBack,
    WouldLose,
    RollbackUnsafe,
    // 25xx: asking
    NoSuchVersion,
    NoSuchRun,
    NoSuchRule,
    NoSuchCode,
    BadConfig,
    NoServerFound,
    NothingToBaseline,
    AlreadyThere,
    BadIdentifier,
    WrongFact,
    Usage,
    Pending,
    Drift,
    // 26xx: online change
    NotOnline,
    TableChanged,
    Mismatch,
    RowMisfit,
    ChangeInProgress,
    Aborted,
    // 27xx: container images
    BadImageReference,
    ImageNotFound,
    ImageAuth,
    RegistryUnavailable,
    ImageDigest,
    ImageSignature,
    ImageUnsupported,
    ImageHostile,
    ImageNoDirectory,
    // 28xx: a DatabaseMigration in a cluster, as the plugin of kubectl meets it
    ClusterUnreachable,
    ClusterForbidden,
    NotInstalled,
    NoSuchMigration,
    NotNow,
    OtherPlan,
    ClusterRefused,
    NotAgreed,
    NotAsClaimed,
    // 29xx
    Bug,
}

/// What is documented of a code.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ErrorDoc {
    /// `CF2003`.
    pub id: &'static str,
    /// The code itself.
    #[serde(skip)]
    pub code: Code,
    /// In a few words.
    pub title: &'static str,
    /// The exit code of a command that ends with it.
    pub exit: u8,
    /// What it means, why it is an error, and what to do: the text of `cofferdam explain`.
    pub explanation: &'static str,
}

impl Code {
    /// What is documented of it.
    pub fn doc(self) -> &'static ErrorDoc {
        // A test says that every code is in the table; the last row is `Bug`.
        ERRORS.iter().find(|e| e.code == self).unwrap_or(&ERRORS[ERRORS.len() - 1])
    }

    /// `CF2003`.
    pub fn id(self) -> &'static str {
        self.doc().id
    }

    /// The exit code of a command that ends with it.
    pub fn exit(self) -> u8 {
        self.doc().exit
    }
}

const fn doc(
    code: Code,
    id: &'static str,
    exit: u8,
    title: &'static str,
    explanation: &'static str,
) -> ErrorDoc {
    ErrorDoc { id, code, title, exit, explanation }
}

/// The documentation of every code, in the order of the codes.
pub static ERRORS: &[ErrorDoc] = &[
    doc(
        Code::NoSuchDirectory,
        "CF2001",
        2,
        "no such directory",
        "The directory given with --dir (or found in cofferdam.yaml) does not exist. Nothing was changed. Check the path, or make a new one with `cofferdam init`.",
    ),
    doc(
        Code::EmptyDirectory,
        "CF2002",
        2,
        "no migrations found",
        "The directory holds no file whose name is that of a migration. An empty directory is more often a wrong path than a wish, so it is an error. `cofferdam new NAME` writes a first migration.",
    ),
    doc(
        Code::UnreadableFile,
        "CF2003",
        2,
        "a file cannot be read",
        "The operating system refused to read the file. Check its rights and that it is a file.",
    ),
    doc(
        Code::NotUtf8,
        "CF2004",
        2,
        "a file is not UTF-8",
        "Scripts are read as UTF-8 (a leading byte order mark is fine). The message names the first byte that does not fit. UTF-16 is recognised by its first two bytes. Convert the file: `iconv -f LATIN1 -t UTF-8`.",
    ),
    doc(
        Code::DuplicateVersion,
        "CF2005",
        2,
        "two files have one version",
        "Versions are compared as numbers, so 1, 1.0 and 01 are one version. Rename one of the files.",
    ),
    doc(
        Code::OutOfOrder,
        "CF2006",
        1,
        "a version is older than the newest applied one",
        "A migration that comes late would run on a schema that its author never saw. Renumber it to come last, or apply it all the same with `--out-of-order`.",
    ),
    doc(
        Code::ChecksumChanged,
        "CF2007",
        1,
        "a file was changed after it was applied",
        "What is in the database is no longer what the file says. Put the file back as it was and write a new migration for the change; or, if the change does not matter (a comment), accept it with `cofferdam repair`.",
    ),
    doc(
        Code::FileGone,
        "CF2008",
        1,
        "an applied migration has no file any more",
        "Without its file nobody can tell what was applied. Restore the file from version control; or, if it was removed on purpose, say so with `cofferdam repair`.",
    ),
    doc(
        Code::CallbackUnsupported,
        "CF2009",
        2,
        "a callback file is not run",
        "Flyway runs files such as beforeMigrate.sql around its migrations. Cofferdam does not: what happens around a run must be visible in its plan. Move the statements into a migration (or a repeatable one), or into a `C` check script.",
    ),
    doc(
        Code::BadFileName,
        "CF2010",
        2,
        "a file name is not that of a migration",
        "The message says which part of the name is wrong. Flyway skips such files silently; a migration that silently never runs is worse than an error.",
    ),
    doc(
        Code::UnknownFormat,
        "CF2011",
        2,
        "the directory's format is not recognised",
        "Known formats: Flyway (V1__name.sql) and plain (001_name.up.sql, 001_name.down.sql). A directory that mixes both is refused too. Say which it is with --format.",
    ),
    doc(
        Code::MissingPair,
        "CF2012",
        2,
        "a down file has no up file",
        "NNN_name.down.sql takes back NNN_name.up.sql, which is not there.",
    ),
    doc(
        Code::BadDirective,
        "CF2013",
        2,
        "a cofferdam directive is not understood",
        "Directives are comments of the form `-- cofferdam:transaction none` and `-- cofferdam:allow RULE reason=\"...\"`. A directive with a typo would silently do nothing, so it is an error.",
    ),
    doc(
        Code::NulByte,
        "CF2014",
        2,
        "a file contains a NUL byte",
        "PostgreSQL cannot take a NUL byte in SQL text. The file is probably binary, or UTF-16.",
    ),
    doc(
        Code::PlaceholderUnsupported,
        "CF2015",
        2,
        "a script holds a placeholder",
        "Flyway replaces ${name} by a value from its configuration before it runs a script. Cofferdam sends scripts as they are written. Write the value out; or, if the text is meant as it stands, write `placeholderReplacement=false` into a file named like the script with `.conf` behind it.",
    ),
    doc(
        Code::NotSplit,
        "CF2101",
        2,
        "a script cannot be split into statements",
        "A quote, dollar quote or comment that is opened is never closed, so what follows cannot be told apart. The message names the place where it was opened.",
    ),
    doc(
        Code::PsqlCommand,
        "CF2102",
        2,
        "a psql command stands in a script",
        "Lines that begin with a backslash are commands of the psql client, not SQL. Write SQL instead; a `\\copy` becomes `COPY ... FROM stdin` with the rows below it.",
    ),
    doc(
        Code::TransactionInFile,
        "CF2103",
        2,
        "a script begins or ends transactions itself",
        "Cofferdam runs a script in one transaction together with the record that it ran. A COMMIT in the middle would split the two: after a failure the record would say one thing and the database another. One BEGIN as the first and one COMMIT as the last statement are accepted and mean what they say. Else remove them, or split the file.",
    ),
    doc(
        Code::MixedTransaction,
        "CF2104",
        4,
        "a statement cannot run in a transaction, its file needs one",
        "CREATE INDEX CONCURRENTLY, VACUUM and others refuse to run inside a transaction block. Move the statement to a file of its own (`cofferdam lint --fix` does it), or, if each statement may commit by itself, begin the file with `-- cofferdam:transaction none`.",
    ),
    doc(
        Code::NotParsed,
        "CF2105",
        1,
        "a statement could not be read",
        "The statement is not analysed: no lint, no lock, no undo are known for it. It is still sent to the server as it is; the finding says that the silence means nothing.",
    ),
    doc(
        Code::EmptyScript,
        "CF2106",
        0,
        "a script has no statement",
        "The file is empty or holds only comments. It is recorded as applied.",
    ),
    doc(
        Code::BadUrl,
        "CF2201",
        2,
        "the URL is not that of a database",
        "Expected postgres://user:password@host:port/database?options, or key=value pairs as libpq takes them.",
    ),
    doc(
        Code::ConnectFailed,
        "CF2202",
        1,
        "the server cannot be reached",
        "Nothing answered at this address, or the name was not found. Check host and port, and that the server accepts connections from here. `cofferdam wait --timeout 60s` waits for a server that is starting.",
    ),
    doc(
        Code::AuthFailed,
        "CF2203",
        1,
        "the server refused the login",
        "The user does not exist, the password is wrong, or pg_hba.conf has no line for this user, database and address.",
    ),
    doc(
        Code::DatabaseMissing,
        "CF2204",
        1,
        "the database does not exist",
        "Cofferdam does not create databases. Create it (`createdb NAME`) or correct the URL.",
    ),
    doc(
        Code::ReadOnlyServer,
        "CF2205",
        1,
        "the server takes no writes",
        "It is a standby, or default_transaction_read_only is on. Connect to the primary; `target_session_attrs=read-write` with several hosts finds it.",
    ),
    doc(
        Code::PermissionMissing,
        "CF2206",
        1,
        "rights are missing",
        "All rights that the plan needs and the role lacks are listed at once, with the GRANT to run as the owner or a superuser.",
    ),
    doc(
        Code::ServerTooOld,
        "CF2207",
        1,
        "the server is too old",
        "PostgreSQL 12 is the oldest version that Cofferdam is tested with.",
    ),
    doc(
        Code::TlsFailed,
        "CF2208",
        1,
        "TLS could not be agreed",
        "The certificate has expired, is for another host, or is signed by an authority that is not known here; or the server offers no TLS. Name the authority's certificate with sslrootcert=FILE. `sslmode=require` encrypts without checking who answers.",
    ),
    doc(
        Code::PoolerNotSupported,
        "CF2209",
        1,
        "a transaction pooler is in between",
        "Through a pooler in transaction mode a session lock holds nothing: another client can get the same lock, and settings leak to others. Give the server's own address, or a pooler in session mode.",
    ),
    doc(
        Code::NoUrl,
        "CF2210",
        2,
        "no database is named",
        "Give --url, or set COFFERDAM_URL, DATABASE_URL or PGHOST/PGDATABASE, or write environments into cofferdam.yaml and choose one with --env.",
    ),
    doc(
        Code::ConnectionLost,
        "CF2211",
        1,
        "the connection broke",
        "The run's record is in the database: run the same command again and it goes on from there, after asking the catalog what happened to the last statement.",
    ),
    doc(
        Code::BadServiceFile,
        "CF2212",
        2,
        "the service file or password file cannot be used",
        "See the message; libpq's rules apply: .pgpass must not be readable by others.",
    ),
    doc(
        Code::StatementFailed,
        "CF2301",
        1,
        "the server refused a statement",
        "The message shows the statement, the place and the server's own words.",
    ),
    doc(
        Code::LockNotObtained,
        "CF2302",
        5,
        "a lock was not obtained",
        "Each try waits for lock_timeout only, so that nobody queues behind it, and the tries are spent. The message names who holds the lock. End that transaction, or come back at a quieter time; `--lock-timeout` and `--lock-tries` allow more.",
    ),
    doc(
        Code::BlockedOthers,
        "CF2303",
        5,
        "a statement was cancelled because others queued behind it",
        "The statement held its lock longer than --max-block while sessions of the application waited. It was cancelled and rolled back. Use a form that does not block (`cofferdam plan` names it), or a quiet hour with a larger --max-block.",
    ),
    doc(
        Code::LockHeldByOther,
        "CF2304",
        5,
        "another runner is at work on this database",
        "Only one runner changes a database at a time. The message names the holder. A runner that died holds its lock until its last statement has ended on the server: that is on purpose.",
    ),
    doc(
        Code::Fenced,
        "CF2305",
        1,
        "another runner has taken over this run",
        "The run's epoch is newer than ours, so nothing more is written by this process. Look at `cofferdam status`.",
    ),
    doc(
        Code::CheckFailed,
        "CF2306",
        6,
        "a check script returned rows",
        "Every SELECT of a check script must return no row. The rows are shown. The migration was taken back where it can be.",
    ),
    doc(
        Code::LintBlocked,
        "CF2307",
        4,
        "lint found errors",
        "Nothing was changed. Rewrite as the finding says (`cofferdam lint --fix`), or allow it: `-- cofferdam:allow RULE reason=\"...\" until=2027-01-31` in the file, or `--allow RULE=\"reason\"`.",
    ),
    doc(
        Code::RolledBack,
        "CF2308",
        6,
        "the migration failed and was taken back",
        "Nothing of it is left. The cause is above.",
    ),
    doc(
        Code::RollbackFailed,
        "CF2309",
        7,
        "a failed migration could not be taken back",
        "Some of its steps are there and some are not; `cofferdam status` lists them. A person must look. Once the cause is removed, or the rest was done by hand, say so with `cofferdam repair RUN --says ...`; the message names the facts that fit.",
    ),
    doc(
        Code::OutcomeUnknown,
        "CF2310",
        7,
        "it is not known whether a statement took effect",
        "The process or the connection died while the statement ran, and the catalog cannot tell. Find out, then state the fact with `cofferdam repair RUN --says ...`.",
    ),
    doc(
        Code::Interrupted,
        "CF2311",
        130,
        "interrupted",
        "The run stopped at a safe point. Run the same command again to go on.",
    ),
    doc(
        Code::TimedOut,
        "CF2312",
        124,
        "the time given with --timeout is over",
        "The run stopped at a safe point. Run the same command again to go on.",
    ),
    doc(
        Code::JournalBroken,
        "CF2313",
        7,
        "the journal's hash chain is broken",
        "A row was changed or taken out by hand, so the record of what happened cannot be trusted from there on. The message names the first row that does not fit.",
    ),
    doc(
        Code::RunUnfinished,
        "CF2314",
        1,
        "an earlier run is not finished",
        "Its steps must be finished or taken back first: `cofferdam apply` goes on with it.",
    ),
    doc(
        Code::ContainerFailed,
        "CF2315",
        1,
        "a migration container did not do its work",
        "A container of `spec.migration.container` failed, or ended well without bringing the version signal to its value. Its log says why: `kubectl logs --selector cofferdam.dev/migration=NAME`.",
    ),
    doc(
        Code::NoWayBack,
        "CF2401",
        1,
        "there is no way back",
        "The version has no undo script, and a statement in it has no inverse that could be derived. Write U<version>__name.sql (or NNN_name.down.sql), or restore a backup.",
    ),
    doc(
        Code::WouldLose,
        "CF2402",
        8,
        "taking this back would lose data",
        "What would be lost is listed. Agree to it with --yes.",
    ),
    doc(
        Code::RollbackUnsafe,
        "CF2403",
        7,
        "taking the change back would lose rows or values",
        "Rows that were written since the swap cannot be kept in the old table, for instance because a number is too large for its old type. The message names them by their key. Change these rows so that they fit, then roll back again; or stay with the new table and end the revert window with `cofferdam finalize`.",
    ),
    doc(
        Code::NoSuchVersion,
        "CF2501",
        2,
        "no such version",
        "The version is neither in the directory nor in the history.",
    ),
    doc(Code::NoSuchRun, "CF2502", 2, "no such run", "`cofferdam history --runs` lists them."),
    doc(Code::NoSuchRule, "CF2503", 2, "no such rule", "`cofferdam lint --rules` lists them."),
    doc(
        Code::NoSuchCode,
        "CF2504",
        2,
        "no such code",
        "`cofferdam explain` without a code lists all of them.",
    ),
    doc(Code::BadConfig, "CF2505", 2, "cofferdam.yaml cannot be used", "See the message for line and key."),
    doc(
        Code::NoServerFound,
        "CF2506",
        1,
        "no PostgreSQL was found and none could be fetched",
        "The demo starts a PostgreSQL of its own. Install one (Debian: postgresql, Homebrew: postgresql@17) or allow access to the package registry.",
    ),
    doc(
        Code::NothingToBaseline,
        "CF2507",
        2,
        "a baseline is not possible here",
        "The history already has applied versions.",
    ),
    doc(Code::AlreadyThere, "CF2508", 2, "a file is already there", "Nothing was overwritten."),
    doc(
        Code::BadIdentifier,
        "CF2509",
        2,
        "a name cannot be used as an identifier",
        "Names must not be empty, contain a NUL byte or be longer than 63 bytes, because the server would cut them.",
    ),
    doc(
        Code::WrongFact,
        "CF2510",
        2,
        "this fact does not fit where the run is stuck",
        "The message lists those that do.",
    ),
    doc(Code::Usage, "CF2511", 2, "the command line is not understood", "See --help."),
    doc(
        Code::Pending,
        "CF2512",
        3,
        "there are pending migrations",
        "With --exit-code pending migrations are reported by exit code 3.",
    ),
    doc(Code::Drift, "CF2513", 9, "the database is not what its history says", "See the lines above."),
    doc(
        Code::NotOnline,
        "CF2601",
        2,
        "the table cannot be changed online",
        "Something about the table or about the change cannot be carried over to a new table, or would not be safe. The message names all of it, and what would do. Nothing was changed.",
    ),
    doc(
        Code::TableChanged,
        "CF2602",
        6,
        "somebody else changed the table's definition meanwhile",
        "An online change works from what it read of the table when it began. When a column, an index, a trigger or anything else of the table is changed by others before the swap, the change stops and is taken back rather than guess. The table itself was not touched: start again.",
    ),
    doc(
        Code::Mismatch,
        "CF2603",
        6,
        "the new table does not hold what the old one holds",
        "The comparison before the swap found rows that differ, so the tables are not swapped and the change is taken back. The table itself was not touched. This must not happen: please report it, with the message and the version of the server.",
    ),
    doc(
        Code::RowMisfit,
        "CF2604",
        6,
        "rows do not fit the new definition",
        "The message names rows by their key that the new column types or constraints do not take. No row is ever dropped or changed to make it fit. Correct these rows and start again.",
    ),
    doc(
        Code::ChangeInProgress,
        "CF2605",
        5,
        "the table is being changed online already",
        "Another online change of this table is running, or its revert window is still open. `cofferdam status` shows it; `cofferdam finalize` ends the window, `cofferdam rollback` takes the change back.",
    ),
    doc(
        Code::Aborted,
        "CF2606",
        6,
        "the online change was aborted",
        "A person asked for it (`cofferdam abort`). Everything that the change made was removed; the table itself was not touched.",
    ),
    doc(
        Code::BadImageReference,
        "CF2701",
        2,
        "an image's name or directory is not one",
        "An image is named as `registry/repository:tag` or `registry/repository@sha256:...`, and a directory in it as `/db/migrations`. Neither may hold blanks, control characters, characters that a shell reads as its own, or `..`. They are never given to a shell; such a character is a mistake, or an attempt.",
    ),
    doc(
        Code::ImageNotFound,
        "CF2702",
        2,
        "there is no such image",
        "The registry answered, and does not know the repository, the tag, or a part that the image names. Some registries say so, too, of a repository that these credentials may not see.",
    ),
    doc(
        Code::ImageAuth,
        "CF2703",
        1,
        "the registry refuses access to the image",
        "There are no credentials for this registry among the pull secrets, they are wrong, or they do not reach this repository; or a pull secret cannot be read. The message says which.",
    ),
    doc(
        Code::RegistryUnavailable,
        "CF2704",
        1,
        "the registry gives no usable answer",
        "It cannot be reached, is too busy, breaks off in the middle, or answers something that no registry says. What may pass is tried again; the message has the registry's own words.",
    ),
    doc(
        Code::ImageDigest,
        "CF2705",
        1,
        "the registry delivers something else than the image names",
        "Every part of an image is named by the digest of its bytes, and the bytes that came have another. The registry's storage is damaged, or somebody changed it. Nothing of it was used. Push the image again, and find out what happened.",
    ),
    doc(
        Code::ImageSignature,
        "CF2706",
        1,
        "the image is not signed with the key that is asked for",
        "A public key is configured, and the image has no cosign signature that this key made for just this digest. Nothing of the image was read. Sign it (`cosign sign --key ...`), or configure the key that it is signed with.",
    ),
    doc(
        Code::ImageUnsupported,
        "CF2707",
        2,
        "the image is of a kind that is not read",
        "Read are Docker images (schema 2) and OCI images for Linux, with layers in the registry itself, plain or packed by gzip or zstd. The message names what this one has instead.",
    ),
    doc(
        Code::ImageHostile,
        "CF2708",
        1,
        "an image holds what no directory of migrations has",
        "Links, devices, names that lead out of the directory, one name twice in a layer, contradictory sizes, or more bytes and files than the caps allow. The message names the entry. No image that a usual build makes of a directory of files has any of it. Nothing was written to disk, and nothing was run.",
    ),
    doc(
        Code::ImageNoDirectory,
        "CF2709",
        2,
        "there is no such directory in the image",
        "No layer has it, a later layer removed it, or it is a file or a link there. The message names directories of the image that hold .sql files.",
    ),
    doc(
        Code::ClusterUnreachable,
        "CF2801",
        1,
        "the cluster cannot be reached",
        "The kubeconfig cannot be read, or names a cluster that does not answer or whose certificate does not fit. Nothing was changed. `kubectl config get-contexts` shows what there is; `--context`, `--kubeconfig` and the variable KUBECONFIG choose.",
    ),
    doc(
        Code::ClusterForbidden,
        "CF2802",
        1,
        "the cluster does not let you do this",
        "The account of the kubeconfig lacks a right, or its login has run out. The message names verb and resource; `kubectl auth can-i --list --namespace NAMESPACE` shows what it may do. To create a MigrationApproval is a right of its own: the ClusterRole cofferdam-approve has it.",
    ),
    doc(
        Code::NotInstalled,
        "CF2803",
        1,
        "the cluster does not know these kinds",
        "The CustomResourceDefinitions of Cofferdam are not in this cluster. Install the chart, or choose another cluster with `--context`.",
    ),
    doc(
        Code::NoSuchMigration,
        "CF2804",
        2,
        "there is no such DatabaseMigration",
        "No object of this name is in the namespace, or none is named and there is not exactly one. `kubectl cofferdam get --all-namespaces` lists all of them.",
    ),
    doc(
        Code::NotNow,
        "CF2805",
        1,
        "this cannot be asked of the migration as it is now",
        "What was asked fits another moment of a run: a rollback where nothing was applied, a cutover where nothing waits, a retry while a run is at work. Nothing was changed. `kubectl cofferdam describe NAME` says where it is and what fits.",
    ),
    doc(
        Code::OtherPlan,
        "CF2806",
        8,
        "the plan is not the one that was looked at",
        "The plan of the migration changed, because the database or the source did, or a digest was given that is not that of the plan. Nothing was approved. `kubectl cofferdam plan NAME` shows the plan that there is.",
    ),
    doc(
        Code::ClusterRefused,
        "CF2807",
        1,
        "the cluster refused a change",
        "A rule of the kind, a webhook or a policy refuses what was written, or somebody else changed the object at the same moment. The message has the cluster's own words; nothing was changed.",
    ),
    doc(
        Code::NotAgreed,
        "CF2808",
        8,
        "nobody agreed",
        "The command asks before it does something that cannot be undone by another command, and nobody was at the keyboard, or the answer was another one than yes. Nothing was changed. `--yes` agrees beforehand.",
    ),
    doc(
        Code::NotAsClaimed,
        "CF2809",
        9,
        "the object is not in the state that it claims",
        "Its conditions, its digest, its approvals, its Job and what it names in the namespace were compared, and something does not fit; the message says what. `kubectl cofferdam describe NAME` shows all of it.",
    ),
    doc(
        Code::Bug,
        "CF2901",
        1,
        "this is a bug of Cofferdam",
        "A state that the program says cannot be. Please report it with the output of the same command under -vv.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented_once() {
        let source = include_str!("code.rs");
        let listed = source.split("pub enum Code {").nth(1).unwrap().split("\n}").next().unwrap();
        let names: Vec<_> = listed
            .lines()
            .map(str::trim)
            .filter(|l| !l.starts_with("//") && !l.is_empty())
            .map(|l| l.trim_end_matches(','))
            .collect();
        for name in &names {
            let rows = ERRORS.iter().filter(|e| format!("{:?}", e.code) == *name).count();
            assert_eq!(rows, 1, "{name}");
        }
        assert_eq!(names.len(), ERRORS.len());
    }

    #[test]
    fn ids_are_unique_ordered_and_explained() {
        for pair in ERRORS.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} {}", pair[0].id, pair[1].id);
        }
        for e in ERRORS {
            assert!(e.id.starts_with("CF2") && e.explanation.ends_with(['.', ':']), "{}", e.id);
        }
    }
}
