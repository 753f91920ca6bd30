//! Why a DatabaseMigration is where it is: a closed set, which is also the reasons of conditions and events and the
//! labels of metrics. A reason is never renamed and never used for something else.

use cofferdam_core::Code;
use serde::Serialize;

use crate::closed::Closed;

/// What a reason says about the three conditions that tools look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// The change is there: Ready.
    Done,
    /// Work goes on: Progressing.
    Working,
    /// Something outside is not as it must be. It is looked at again and again, and work goes on by itself once it is:
    /// neither Progressing nor Stalled.
    Waiting,
    /// Nothing more happens until a person acts: Stalled.
    Person,
}

/// What is documented of a reason.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ReasonDoc {
    /// The word in conditions, events and metrics.
    pub word: &'static str,
    /// The reason itself.
    #[serde(skip)]
    pub reason: Reason,
    /// What it says about the conditions.
    pub standing: Standing,
    /// What it means.
    pub meaning: &'static str,
    /// What to do, with a command where there is one. `NAME` stands for the object.
    pub next: &'static str,
}

macro_rules! reasons {
    ($($reason:ident $standing:ident $meaning:literal $next:literal;)+) => {
        /// Why a DatabaseMigration is where it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $reason,)+
        }

        /// The documentation of every reason, in the order of [`Reason`].
        pub static REASONS: &[ReasonDoc] = &[$(ReasonDoc {
            word: stringify!($reason),
            reason: Reason::$reason,
            standing: Standing::$standing,
            meaning: $meaning,
            next: $next,
        }),+];

        /// The words and their meanings, for the lists that are made of closed sets.
        pub const CLOSED: Closed = Closed { name: "Reason", words: &[$((stringify!($reason), $meaning)),+] };
    };
}

reasons! {
    // Before a run
    Initializing Working
        "The object was seen; its Secret and its source are being read."
        "Nothing; this takes seconds.";
    SpecInvalid Person
        "The spec says something that the schema cannot check and that cannot be carried out; the message names the field."
        "Correct the field: `kubectl edit dbm NAME`.";
    Suspended Person
        "`spec.suspend` is true: a run stopped at a safe point, or none is begun."
        "`kubectl patch dbm NAME --type merge --patch '{\"spec\":{\"suspend\":false}}'`";
    PreviousNotDone Waiting
        "The DatabaseMigration that `spec.migration.previous` names is not there or has not succeeded."
        "Look at it: `kubectl get dbm`.";
    SecretNotFound Waiting
        "A Secret that the spec names is not there."
        "Create the Secret that the message names; the run then goes on by itself.";
    SecretKeyMissing Waiting
        "A Secret that the spec names is there, but not the key that is needed."
        "Add the key that the message names; the run then goes on by itself.";
    SourceNotFound Waiting
        "A ConfigMap that the spec names is not there."
        "Create the ConfigMap that the message names; the run then goes on by itself.";
    SourceKeyMissing Waiting
        "A ConfigMap that the spec names is there, but not the key."
        "Add the key that the message names; the run then goes on by itself.";
    ImageNotFound Waiting
        "The image with the migrations is not in its registry, or the registry refuses to show it."
        "Push the image, or give credentials with `spec.runner.imagePullSecrets`.";
    SourceDirectoryMissing Person
        "The image has no such directory, or it holds no migration."
        "Correct `spec.migration.dir`: `kubectl edit dbm NAME`.";
    SourceRefused Person
        "The source holds what is not read: links, devices, paths that lead out, files that are too large or too many, or files of no known format."
        "Build the image anew without what the message names.";
    SignatureInvalid Person
        "No signature of the image's digest fits the public key of `spec.migration.verify`."
        "Sign the image, or correct the key: `kubectl edit dbm NAME`.";
    DigestMismatch Person
        "A script does not have the checksum that the spec gives for it."
        "Correct the script or the checksum: `kubectl edit dbm NAME`.";
    ChecksumDrift Person
        "A script that was applied before was changed since, or is gone."
        "Put the script back as it was, and write a new one for the change; `kubectl describe dbm NAME` names it.";
    LintBlocked Person
        "Lint found errors in the scripts. Nothing was changed."
        "`kubectl logs --selector cofferdam.dev/migration=NAME` shows the findings, each with what to write instead.";
    ApprovalPending Person
        "The plan is made and waits for a MigrationApproval with its digest."
        "`kubectl logs --selector cofferdam.dev/migration=NAME` shows the plan; then create a MigrationApproval with `status.planDigest`, as examples/kubernetes/approval.yaml does";
    ApprovalRejected Person
        "A MigrationApproval of this plan says Reject."
        "Change the migration, or delete the approval that the message names.";
    PlanChanged Person
        "The plan is not the one that was approved: the database or the source changed since."
        "`kubectl logs --selector cofferdam.dev/migration=NAME` shows the plan; then create a MigrationApproval with `status.planDigest`, as examples/kubernetes/approval.yaml does";
    ApprovalEarly Waiting
        "Of a MigrationApproval: its DatabaseMigration has no plan yet."
        "Nothing; it is looked at when there is one.";
    ApprovalAccepted Done
        "Of a MigrationApproval: it fits the plan that there is."
        "Nothing.";
    ApprovalUsed Done
        "Of a MigrationApproval: the run that the message names began because of it."
        "Nothing.";
    ApprovalRejects Done
        "Of a MigrationApproval: it says Reject, and nothing of the plan begins."
        "To think better of it: `kubectl delete mapp NAME`.";
    ApprovalIncomplete Waiting
        "Of a MigrationApproval: it fits the plan, and alone it is not enough; the message says what is missing."
        "Let a second person create a MigrationApproval of the same plan.";
    ApprovalExpired Person
        "Of a MigrationApproval: its time was over before anything began."
        "Create a new one, and `kubectl delete mapp NAME`.";
    ApprovalOutdated Person
        "Of a MigrationApproval: it is about another plan than there is; the database or the source changed since."
        "Look at the plan, create a new one with its digest, and `kubectl delete mapp NAME`.";
    MigrationNotFound Waiting
        "Of a MigrationApproval: the DatabaseMigration that it names is not there."
        "Create the DatabaseMigration, or `kubectl delete mapp NAME`.";
    PreCheckFailed Waiting
        "The database does not fulfil a check of `spec.validation.preChecks`."
        "See the message for what is missing, for instance disk space; it is looked at again by itself.";
    PreCheckImageVersionFailed Waiting
        "Pods run a version that is older than `spec.checks.pre.minPodVersions` asks for, or no Pod is there."
        "Roll out the version that the message names; it is looked at again by itself.";
    PreCheckMetricFailed Waiting
        "A metric of `spec.checks.pre.metrics` does not lie within its limit, or cannot be read."
        "See the message for the value that was read; it is looked at again by itself.";
    BackupFailed Person
        "The backup before the change could not be made or verified. Nothing was changed."
        "Correct what the message names, then `kubectl patch dbm NAME --type merge --patch '{\"spec\":{\"suspend\":false}}'`.";

    // Reaching the database
    ConnectFailed Waiting
        "The database cannot be reached, or refuses the login. It is tried again for as long as it takes."
        "Check host, port, credentials and network policies; `kubectl logs --selector cofferdam.dev/migration=NAME` has the server's words.";
    PermissionMissing Waiting
        "The role lacks rights that the plan needs; the message lists all of them."
        "Run the GRANT statements of the message; it is looked at again by itself.";
    PoolerNotSupported Person
        "The address is that of a pooler in transaction mode, through which a session lock holds nothing."
        "Give the server's own address: `kubectl edit dbm NAME`.";
    LockHeldByOther Waiting
        "Another run works on the same database. One goes after the other."
        "Nothing; `kubectl get dbm` shows the other run, or the message names who else it is.";

    // The Job
    JobPending Working
        "The Job is made and its Pod is not running yet."
        "Nothing at first; if it lasts, `kubectl describe pod` names the cause.";
    ImagePullFailed Waiting
        "The image of a Pod cannot be pulled; the message has the kubelet's words."
        "Correct the image or `spec.runner.imagePullSecrets`: `kubectl edit dbm NAME`.";
    QuotaExceeded Waiting
        "A quota or a limit range of the namespace refuses the Job or its Pod."
        "Raise the quota, or ask for less with `spec.runner.resources`.";
    PodRejected Person
        "An admission rule (Pod Security, a policy) refuses the Pod; the message has its words."
        "See the message; the Pods of Cofferdam fulfil Pod Security `restricted`.";
    NamespaceTerminating Person
        "The namespace is being deleted, so nothing new can be made in it. The database is left as it is."
        "Create the object in another namespace.";
    OperatorForbidden Waiting
        "The operator or the runner lacks a right in the cluster; the message names verb and resource."
        "Install the chart's roles for this namespace; it is tried again by itself.";
    OutOfMemory Working
        "The runner's container was killed because it used more memory than its limit. The run goes on in a new Pod."
        "Nothing; if it comes again, raise `spec.runner.resources.limits.memory`.";
    PodEvicted Working
        "The runner's Pod was evicted or deleted. The run goes on in a new Pod."
        "Nothing.";
    RunnerLost Working
        "The runner's node does not answer. The run goes on in a new Pod once the database says that the old one has let go."
        "Nothing.";

    // A run
    MigrationInProgress Working
        "The run is at work; `status.stage` and `status.progress` say where."
        "Nothing; `kubectl get dbm NAME --watch` follows it.";
    WaitingForBlocker Working
        "A lock is held by a session of somebody else; the message names it. The step is tried again and again."
        "Nothing; or end the session that the message names.";
    Throttled Working
        "The run goes slower, or stands, for the sake of replicas, disk or the application; the message says of what."
        "Nothing.";
    AwaitingCutover Person
        "Both sides hold the same and are kept so; the swap waits for a person."
        "`kubectl patch dbm NAME --type merge --patch '{\"spec\":{\"cutover\":{\"mode\":\"auto\"}}}'`";
    AwaitingWindow Working
        "Both sides hold the same and are kept so; the swap waits for the window of `spec.cutover`."
        "Nothing; or at once with `kubectl patch dbm NAME --type merge --patch '{\"spec\":{\"cutover\":{\"mode\":\"auto\"}}}'`.";
    VerificationMismatch Person
        "The comparison found rows that differ, so nothing was swapped and the change was taken back."
        "`kubectl describe dbm NAME` names rows; please report it.";
    Baking Working
        "The change is there and the metrics of `spec.checks.post` are being watched."
        "Nothing.";
    PostCheckFailed Person
        "A metric of `spec.checks.post` or a limit of `spec.validation.performanceThresholds` was breached and `spec.rollback` does not take the change back by itself, or it could not be read for too long."
        "`kubectl annotate dbm NAME cofferdam.dev/rollback=DIGEST` with the digest of `status.planDigest`, or leave the change as it is.";
    RollingBack Working
        "The change is being taken back."
        "Nothing; `kubectl get dbm NAME --watch` follows it.";

    // Ends
    RevertWindowOpen Done
        "The change is there, and until `status.revertibleUntil` it can be taken back with all that was written since."
        "Nothing; or `kubectl annotate dbm NAME cofferdam.dev/rollback=DIGEST` with the digest of `status.planDigest`.";
    MigrationComplete Done
        "The change is there and nothing is left to do."
        "Nothing.";
    RolledBack Person
        "The change was taken back and nothing of it is left; the message says why."
        "Correct the cause and change the spec, which begins a new run: `kubectl edit dbm NAME`.";
    RollbackUnsafe Person
        "The change cannot be taken back without losing rows or values that were written since; the message names them."
        "Change these rows so that they fit, then `kubectl annotate dbm NAME cofferdam.dev/rollback=DIGEST` with the digest of `status.planDigest`; or stay with the change.";
    JobFailed Person
        "The run failed; the message has the error with its code. What was done before it was taken back, or the message says what was not."
        "`kubectl logs --selector cofferdam.dev/migration=NAME`; then correct the cause and change the spec: `kubectl edit dbm NAME`.";
    SignalMissing Person
        "The container ended well, but the database does not have the version that `spec.migration.container.signal` asks for."
        "`kubectl logs --selector cofferdam.dev/migration=NAME`; then correct the image or the signal: `kubectl edit dbm NAME`.";
    DeadlineExceeded Person
        "The run took longer than `activeDeadlineSeconds` allows, and stopped at a safe point; or longer than `maxMigrationTime`, and was taken back."
        "Allow more time, which begins a new run: `kubectl edit dbm NAME`.";
    OutcomeUnknown Person
        "It is not known whether a statement took effect, and the database cannot tell. Nothing is repeated."
        "Answer the question of the message: `kubectl describe dbm NAME` shows how.";
}

impl Reason {
    /// What is documented of it.
    pub fn doc(self) -> &'static ReasonDoc {
        // In the order of the enum, which the macro guarantees.
        &REASONS[self as usize]
    }

    /// The word in conditions, events and metrics.
    pub fn word(self) -> &'static str {
        self.doc().word
    }

    /// What it says about the conditions.
    pub fn standing(self) -> Standing {
        self.doc().standing
    }

    /// The reason with this word.
    pub fn named(word: &str) -> Option<Reason> {
        REASONS.iter().find(|doc| doc.word == word).map(|doc| doc.reason)
    }

    /// An event with it is a warning: something is not as it should be. What waits for a decision as planned is not.
    pub fn warns(self) -> bool {
        match self.standing() {
            Standing::Done => false,
            Standing::Working => {
                matches!(self, Reason::OutOfMemory | Reason::PodEvicted | Reason::RunnerLost)
            }
            Standing::Waiting => !matches!(self, Reason::PreviousNotDone | Reason::LockHeldByOther),
            Standing::Person => {
                !matches!(self, Reason::Suspended | Reason::ApprovalPending | Reason::AwaitingCutover)
            }
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// The reason for a run that ended with a refusal of this code.
impl From<Code> for Reason {
    fn from(code: Code) -> Self {
        use Code as C;
        match code {
            C::NoSuchDirectory | C::EmptyDirectory | C::ImageNoDirectory => Reason::SourceDirectoryMissing,
            C::ImageNotFound | C::ImageAuth | C::RegistryUnavailable => Reason::ImageNotFound,
            C::ImageDigest => Reason::DigestMismatch,
            C::ImageSignature => Reason::SignatureInvalid,
            C::ImageUnsupported | C::ImageHostile => Reason::SourceRefused,
            C::UnreadableFile
            | C::NotUtf8
            | C::DuplicateVersion
            | C::CallbackUnsupported
            | C::BadFileName
            | C::UnknownFormat
            | C::MissingPair
            | C::BadDirective
            | C::NulByte
            | C::PlaceholderUnsupported
            | C::NotSplit
            | C::PsqlCommand
            | C::TransactionInFile
            | C::NotParsed
            | C::EmptyScript
            | C::ToolFile
            | C::ToolDirective
            | C::ToolNotRead
            | C::NotParkable
            | C::BadProjectConfig
            | C::BadProjectVersion
            | C::MatrixOpen
            | C::MatrixCycle
            | C::MatrixBackwards
            | C::DeadEnd
            | C::MissingUpgrade
            | C::MissingRollback
            | C::MissingValidation
            | C::BadScriptName
            | C::ScriptOrder
            | C::StrayFile
            | C::FileDiffers
            | C::GateFailed
            | C::ParkTakesMore
            | C::ClientCommand
            | C::BadDelimiter
            | C::BodyCut
            | C::ModeDependent
            | C::StatementNotForEngine
            | C::VersionDependent => Reason::SourceRefused,
            C::ChecksumChanged
            | C::FileGone
            | C::Drift
            | C::SumMismatch
            | C::HistoriesDiffer
            | C::VersionDisagrees => Reason::ChecksumDrift,
            C::MixedTransaction | C::LintBlocked | C::MoreThanPlanned => Reason::LintBlocked,
            C::OutOfOrder
            | C::BadUrl
            | C::NoUrl
            | C::BadServiceFile
            | C::NoSuchVersion
            | C::NoSuchRun
            | C::NoSuchRule
            | C::NoSuchCode
            | C::BadConfig
            | C::NothingToBaseline
            | C::AlreadyThere
            | C::BadIdentifier
            | C::WrongFact
            | C::Usage
            | C::BadImageReference
            | C::BadCheck
            | C::NotCompared
            | C::NotOnline
            | C::NotRecordable
            | C::SeveralTools
            | C::NoSuchTool
            | C::Undecided
            | C::NoSuchProject
            | C::NoSuchProjectVersion
            | C::NoUpgradePath
            | C::NoRollbackPath
            | C::NoInstallPath
            | C::WrongDatabaseType
            | C::ProjectNotInstalled
            | C::StaleFromVersion
            | C::DatabaseTypeNotRun
            | C::NoProjectUrl
            | C::ProjectThere
            | C::NotAppliedHere
            | C::MetadataUnusable
            | C::ProjectHalfWay
            | C::NotForThisEngine
            | C::JournalNotTransactional
            | C::HistoryNotRead
            | C::BinlogUnfit
            | C::NotRehearsable => Reason::SpecInvalid,
            C::ConnectFailed
            | C::AuthFailed
            | C::DatabaseMissing
            | C::ReadOnlyServer
            | C::TlsFailed
            | C::ConnectionLost
            | C::NoServerFound => Reason::ConnectFailed,
            C::ServerTooOld | C::PreCheckFailed | C::PreCheckUnread => Reason::PreCheckFailed,
            C::PermissionMissing => Reason::PermissionMissing,
            C::PoolerNotSupported => Reason::PoolerNotSupported,
            C::LockHeldByOther
            | C::RunUnfinished
            | C::ChangeInProgress
            | C::ToolAtWork
            | C::BegunOtherwise
            | C::ProjectMoved => Reason::LockHeldByOther,
            C::LockNotObtained | C::BlockedOthers => Reason::WaitingForBlocker,
            C::Fenced => Reason::RunnerLost,
            // The runner was told to stop, which is how a Pod goes.
            C::Interrupted => Reason::PodEvicted,
            C::TimedOut | C::OverTime => Reason::DeadlineExceeded,
            C::NoSource => Reason::PreCheckFailed,
            C::LeftToAPerson => Reason::PostCheckFailed,
            C::Mismatch => Reason::VerificationMismatch,
            C::RolledBack
            | C::CheckFailed
            | C::TableChanged
            | C::BinlogGone
            | C::BinlogUnread
            | C::RowMisfit
            | C::Aborted
            | C::LimitBreached
            | C::PostCheckFailed => Reason::RolledBack,
            C::ApprovalNeeded | C::TwoPersons | C::ApprovalExpired => Reason::ApprovalPending,
            C::ApprovalRejected => Reason::ApprovalRejected,
            C::ApprovalOther => Reason::PlanChanged,
            C::BackupUnreachable
            | C::BackupDenied
            | C::BackupFull
            | C::BackupNotTaken
            | C::BackupDamaged
            | C::BackupNotVerified
            | C::BackupBlind
            | C::BackupPolicy
            | C::BackupLocked => Reason::BackupFailed,
            C::NoWayBack
            | C::WouldLose
            | C::RollbackUnsafe
            | C::RestoreUnfit
            | C::UndropTaken
            | C::UndropUnfit
            | C::ParkedGone => Reason::RollbackUnsafe,
            // What another tool left half-way is known no better.
            C::OutcomeUnknown | C::Unfinished => Reason::OutcomeUnknown,
            C::AwsNoCredentials | C::AwsDenied | C::AwsUnreachable => Reason::ConnectFailed,
            // What the plugin meets at somebody's keyboard is no end of a run.
            C::ClusterUnreachable
            | C::ClusterForbidden
            | C::NotInstalled
            | C::NoSuchMigration
            | C::NotNow
            | C::OtherPlan
            | C::ClusterRefused
            | C::NotAgreed
            | C::NotAsClaimed
            | C::NoSuchBackup
            | C::RestoreRefused
            | C::WouldDestroy
            | C::NothingParked
            | C::ParkedUsed => Reason::JobFailed,
            C::StatementFailed
            | C::RollbackFailed
            | C::JournalBroken
            | C::ToolHistory
            | C::ContainerFailed
            | C::Pending
            | C::BadSink
            | C::NotDelivered
            | C::EgressForbidden
            | C::NoSinks
            | C::HeadMissing
            | C::NoLiveNumbers
            | C::NoGitBase
            | C::RehearsalFailed
            | C::CopyDiffers
            | C::NoSuchSource
            | C::SourceNotApplied
            | C::NothingExpected
            | C::NotRecorded
            | C::NoThrowAway
            | C::Bug => Reason::JobFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::code::ERRORS;

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_says_something() {
        for (index, doc) in REASONS.iter().enumerate() {
            assert_eq!(doc.reason as usize, index);
            assert_eq!(doc.reason.doc().word, doc.word);
            assert_eq!(Reason::named(doc.word), Some(doc.reason));
            assert!(doc.meaning.ends_with('.') && !doc.next.is_empty(), "{}", doc.word);
            assert!(
                doc.word.len() <= 64 && doc.word.bytes().all(|b| b.is_ascii_alphabetic()),
                "{}",
                doc.word
            );
        }
        assert_eq!(Reason::named("Soon"), None);
    }

    /// The words that users and their alerts were promised.
    #[test]
    fn the_promised_reasons_are_there() {
        let promised = "Initializing SecretNotFound SourceNotFound DigestMismatch ChecksumDrift ConnectFailed \
            PermissionMissing PoolerNotSupported LockHeldByOther LintBlocked ApprovalPending PreCheckFailed \
            PreCheckImageVersionFailed PreCheckMetricFailed BackupFailed JobPending MigrationInProgress \
            WaitingForBlocker Throttled AwaitingCutover VerificationMismatch Baking PostCheckFailed RevertWindowOpen \
            MigrationComplete RolledBack RollbackUnsafe JobFailed DeadlineExceeded RunnerLost OutcomeUnknown";
        for word in promised.split_whitespace() {
            assert!(Reason::named(word).is_some(), "{word}");
        }
    }

    #[test]
    fn where_a_person_is_needed_something_can_be_done() {
        for doc in REASONS {
            if doc.standing == Standing::Person {
                assert!(!doc.next.starts_with("Nothing"), "{}", doc.word);
            }
            if doc.standing == Standing::Done {
                assert!(!doc.reason.warns(), "{}", doc.word);
            }
        }
    }

    #[test]
    fn no_error_is_a_success() {
        for error in ERRORS {
            let reason = Reason::from(error.code);
            assert_ne!(reason.standing(), Standing::Done, "{}", error.id);
        }
        for (code, reason) in [
            (Code::ChecksumChanged, Reason::ChecksumDrift),
            (Code::AuthFailed, Reason::ConnectFailed),
            (Code::OutcomeUnknown, Reason::OutcomeUnknown),
            (Code::RollbackUnsafe, Reason::RollbackUnsafe),
        ] {
            assert_eq!(Reason::from(code), reason);
        }
    }
}
