//! Why something was decided: a closed set with stable codes, one sentence each.
//!
//! Comments, `explain`, metrics and tests hang on the codes; the sentences are for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::account::Directory;
use super::failure::Failure;
use super::time::At;

/// Why an action runs, waits, is withheld, or ended as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the sentence each variant prints names its fields")]
pub enum Reason {
    /// A rule wants it.
    RuleMatched { rule: String },
    /// The rule is in simulate.
    Simulate { rule: String },
    /// This run changes nothing.
    DryRun,
    /// The account is on the list of those never touched.
    Protected { why: Protection },
    /// A privileged account: a person decides.
    Privileged { why: String },
    /// The rule asks before it acts.
    ApprovalWanted { rule: String },
    /// A person refused.
    Denied {
        by: String,
        #[serde(default)]
        at: Option<At>,
    },
    /// Nobody answered in time.
    ApprovalExpired,
    /// Nothing says what the account is to the alert.
    RoleUnknown,
    /// The alert names bait, and nobody who may be acted on.
    Bait,
    /// The alert is older than allowed.
    Stale { age: String, limit: String },
    /// Nothing believable says when it happened.
    TimeUnknown { why: String },
    /// The alert is closed in the portal: resolved or dismissed by people, or by a rule of theirs.
    Closed { status: String },
    /// The alert's status is none that is known.
    StatusUnknown { word: String },
    /// The alert names too many accounts at once.
    TooManyAccounts { found: usize, limit: usize },
    /// The alert's severity is none that is known; the word is empty where it has none.
    SeverityUnknown { word: String },
    /// No trustworthy source confirms the alert.
    Unwitnessed { waited: String },
    /// The alert's entities cannot be read.
    EntitiesUnreadable { why: String },
    /// No entities came in time.
    NoEntities { waited: String },
    /// The alert names no accounts.
    NoAccounts,
    /// No directory knows the account.
    AccountUnknown,
    /// More than one account fits.
    AccountAmbiguous { candidates: usize },
    /// Identifiers of the alert contradict what a directory says.
    IdentifiersContradict { what: String },
    /// Only a bare name, which proves nobody's identity.
    IdentifierWeak,
    /// A local account of one host.
    LocalAccount,
    /// Groups and roles could not be read.
    MembershipUnreadable { why: String },
    /// Okta cannot be asked for the time being, and the other directories can.
    OktaUnknown,
    /// The person has no account there.
    NoAccountThere { directory: Directory },
    /// No route can do it here.
    NoRoute { why: String },
    /// A condition of the rule could not be computed.
    ConditionFailed { what: String },
    /// A limit is used up; waits until there is room.
    LimitReached { limit: String },
    /// Many accounts at once for one detector: a person decides.
    Burst { accounts: usize, window: String },
    /// The same was done, or undone, a short while ago.
    Cooldown { until: At },
    /// Planned, and nothing is in its way; its lane is yet to come to it.
    NotBegun,
    /// A step that has to end first is still moving.
    StepAwaited { verb: String },
    /// A call of ours on the same account is not ruled on yet.
    UnderWay,
    /// What the guardrails had read was too old when the call was to begin.
    FactsTooOld,
    /// Called; the answer is not written down yet.
    Called,
    /// The answer was lost; looks go on.
    AnswerLost { again: At },
    /// Accepted, and not seen yet; looks go on.
    NotSeenYet { looks: u32, again: At },
    /// riposte is paused.
    Paused { by: String },
    /// The alert has changed, and no rule wants it any more.
    NoLongerWanted,
    /// A step that had to end first did not end well.
    StepBefore { verb: String },
    /// Another action of ours already holds the effect.
    HeldAlready,
    /// It was so before; somebody else did it, and theirs it stays.
    InPlaceAlready,
    /// Seen after our call.
    Seen,
    /// Not seen by the last look.
    NotSeen { looks: u32 },
    /// Seen once, and gone again.
    UndoneBy { whom: String },
    /// The account says otherwise.
    SaysOtherwise,
    /// The password never expires, so asking for a change does nothing.
    PasswordNeverExpires,
    /// Okta can suspend active users only.
    NotSuspendable { status: String },
    /// The prior state could not be read, and without it nothing is changed.
    PriorUnknown { why: String },
    /// The outside world refused.
    Refused { failure: Box<Failure> },
    /// Tried as often as allowed.
    GaveUp { attempts: u32, last: Box<Failure> },
    /// The answer was lost, and looking cannot tell: a person must.
    CannotTell,
    /// Called as often as allowed without a good answer, and a look shows that nothing happened: a person must say whether it
    /// is worth another try.
    NothingHappened { attempts: u32 },
    /// Too old to be carried out. `held` says what held it up to the end.
    TooLate {
        #[serde(default)]
        held: Option<String>,
    },
    /// An operator wants it.
    Operator {
        by: String,
        #[serde(default)]
        at: Option<At>,
    },
    /// The time of the containment is over.
    TimeOver,
    /// Somebody changed it after us; putting back would overwrite that.
    ChangedSince { found: String },
    /// Other alerts still hold the effect.
    HeldByOthers {
        holders: usize,
        /// The first of them, by the short ids that commands take.
        #[serde(default)]
        by: Vec<String>,
    },
    /// The incident is still being worked on, or nobody knows.
    IncidentActive,
    /// There is no incident by whose end one could tell: only queries of our own show the alert.
    NoIncident,
    /// Another alert has named the account since.
    NewerAlert,
    /// Nothing can undo it.
    CannotBeUndone,
    /// The row could not be read.
    Unreadable { why: String },
    /// The alert is the same as another.
    Merged { into: String },
}

/// Why an account is never touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// On the break-glass list.
    BreakGlass,
    /// krbtgt and other accounts the directory lives by.
    BuiltIn,
    /// A computer, a domain controller or a trust.
    Computer,
    /// Directory synchronisation.
    DirectorySync,
    /// riposte itself, or who owns it.
    Ourselves,
    /// Somebody who approves.
    Approver,
    /// The last enabled member of this administrator role of Entra.
    LastAdministrator(String),
    /// A group on the break-glass list.
    Group(String),
}

impl Reason {
    /// The stable code, as it stands in JSON and in front of the sentence.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RuleMatched { .. } => "rule-matched",
            Self::Simulate { .. } => "simulate",
            Self::DryRun => "dry-run",
            Self::Protected { .. } => "protected",
            Self::Privileged { .. } => "privileged",
            Self::ApprovalWanted { .. } => "approval-wanted",
            Self::Denied { .. } => "denied",
            Self::ApprovalExpired => "approval-expired",
            Self::RoleUnknown => "role-unknown",
            Self::Bait => "bait",
            Self::Stale { .. } => "stale",
            Self::TooManyAccounts { .. } => "too-many-accounts",
            Self::SeverityUnknown { .. } => "severity-unknown",
            Self::TimeUnknown { .. } => "time-unknown",
            Self::Closed { .. } => "closed",
            Self::StatusUnknown { .. } => "status-unknown",
            Self::Unwitnessed { .. } => "unwitnessed",
            Self::EntitiesUnreadable { .. } => "entities-unreadable",
            Self::NoEntities { .. } => "no-entities",
            Self::NoAccounts => "no-accounts",
            Self::AccountUnknown => "account-unknown",
            Self::AccountAmbiguous { .. } => "account-ambiguous",
            Self::IdentifiersContradict { .. } => "identifiers-contradict",
            Self::IdentifierWeak => "identifier-weak",
            Self::LocalAccount => "local-account",
            Self::MembershipUnreadable { .. } => "membership-unreadable",
            Self::OktaUnknown => "okta-unknown",
            Self::NoAccountThere { .. } => "no-account-there",
            Self::NoRoute { .. } => "no-route",
            Self::ConditionFailed { .. } => "condition-failed",
            Self::LimitReached { .. } => "limit-reached",
            Self::Burst { .. } => "burst",
            Self::Cooldown { .. } => "cooldown",
            Self::NotBegun => "not-begun",
            Self::StepAwaited { .. } => "step-awaited",
            Self::UnderWay => "under-way",
            Self::FactsTooOld => "facts-too-old",
            Self::Called => "called",
            Self::AnswerLost { .. } => "answer-lost",
            Self::NotSeenYet { .. } => "not-seen-yet",
            Self::Paused { .. } => "paused",
            Self::NoLongerWanted => "no-longer-wanted",
            Self::StepBefore { .. } => "step-before",
            Self::HeldAlready => "held-already",
            Self::InPlaceAlready => "in-place-already",
            Self::Seen => "seen",
            Self::NotSeen { .. } => "not-seen",
            Self::UndoneBy { .. } => "undone-by",
            Self::SaysOtherwise => "says-otherwise",
            Self::PasswordNeverExpires => "password-never-expires",
            Self::NotSuspendable { .. } => "not-suspendable",
            Self::PriorUnknown { .. } => "prior-unknown",
            Self::Refused { .. } => "refused",
            Self::GaveUp { .. } => "gave-up",
            Self::CannotTell => "cannot-tell",
            Self::NothingHappened { .. } => "nothing-happened",
            Self::TooLate { .. } => "too-late",
            Self::Operator { .. } => "operator",
            Self::TimeOver => "time-over",
            Self::ChangedSince { .. } => "changed-since",
            Self::HeldByOthers { .. } => "held-by-others",
            Self::IncidentActive => "incident-active",
            Self::NoIncident => "no-incident",
            Self::NewerAlert => "newer-alert",
            Self::CannotBeUndone => "cannot-be-undone",
            Self::Unreadable { .. } => "unreadable",
            Self::Merged { .. } => "merged",
        }
    }

    /// `code: sentence`, as JSON and lists carry it.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: {self}", self.code())
    }

    /// Whether a person is asked because of it, where others withhold.
    #[must_use]
    pub const fn asks(&self) -> bool {
        matches!(self, Self::Privileged { .. } | Self::OktaUnknown | Self::ApprovalWanted { .. } | Self::Burst { .. })
    }

    /// [`Self::line`] of what is only simulated, with what would have come of it: `would` stood in its way, or nothing.
    #[must_use]
    pub fn simulated(&self, would: Option<&Self>) -> String {
        let instead = match would {
            Some(would) if would.asks() => format!("it would ask a person: {}", would.line()),
            Some(would) => format!("it would be withheld: {}", would.line()),
            None if *self == Self::DryRun => "it would run, if the last check lets it".to_owned(),
            None => return self.line(),
        };
        if let Self::Simulate { rule } = self {
            return format!("{}: rule {rule} is in simulate; {instead}", self.code());
        }
        // Of a dry run everybody knows that it changes nothing.
        if *self == Self::DryRun {
            return format!("{}: {instead}", self.code());
        }
        format!("{}; {instead}", self.line())
    }

    /// [`Self::line`], as long as what is missing may still come.
    #[must_use]
    pub fn waiting(&self) -> String {
        if let Self::NoEntities { waited } = self {
            return format!("{}: the alert names nobody yet; that may come within {waited}", self.code());
        }
        if let Self::Unwitnessed { waited } = self {
            return format!(
                "{}: Defender itself has not shown this alert yet; that may come within {waited}, and a row alone can be \
                 forged",
                self.code()
            );
        }
        if let Self::Refused { failure } = self {
            return format!(
                "{}: who the alert's accounts are could not be read yet, and is asked again: {failure}",
                self.code()
            );
        }
        self.line()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RuleMatched { rule } => write!(f, "rule {rule} wants it"),
            Self::Simulate { rule } => write!(f, "rule {rule} is in simulate: this is what it would have done"),
            Self::DryRun => f.write_str("this run changes nothing"),
            Self::Protected { why } => write!(f, "the account is never touched: {why}"),
            Self::Privileged { why } => write!(f, "a privileged account ({why}): a person decides"),
            Self::ApprovalWanted { rule } => write!(f, "rule {rule} asks before it acts"),
            Self::Denied { by, at } => write!(f, "denied by {by}{}", since(*at)),
            Self::ApprovalExpired => f.write_str("nobody answered in time"),
            Self::RoleUnknown => f.write_str("nothing says what the account is to the alert"),
            Self::Bait => f.write_str("the account is bait and is never touched; who used it, the alert does not say"),
            Self::Stale { age, limit } => write!(f, "the alert is {age} old, older than the {limit} allowed"),
            Self::TooManyAccounts { found, limit } => {
                write!(f, "the alert names {found} accounts, more than the {limit} allowed at once")
            }
            Self::TimeUnknown { why } => write!(f, "nobody can tell how old the alert is: {why}"),
            Self::Closed { status } => {
                write!(f, "the alert is closed ({status}): people, or a rule of theirs, have dealt with it")
            }
            Self::StatusUnknown { word } => {
                write!(f, "the alert's status {word:?} is none that riposte knows, so nothing is done for it")
            }
            Self::SeverityUnknown { word } if word.is_empty() => f.write_str("the alert does not say its severity"),
            Self::SeverityUnknown { word } => {
                write!(f, "the alert's severity {word:?} is none that riposte knows, so nothing is done for it")
            }
            Self::Unwitnessed { waited } => {
                write!(
                    f,
                    "Defender itself has not shown this alert within {waited}, and a row alone can be forged (riposte status \
                     says whether Graph could be read)"
                )
            }
            Self::EntitiesUnreadable { why } => write!(f, "the alert's entities cannot be read: {why}"),
            Self::NoEntities { waited } => write!(f, "the alert named nobody within {waited}"),
            Self::NoAccounts => f.write_str("the alert names no account"),
            Self::AccountUnknown => f.write_str("no directory knows the account"),
            Self::AccountAmbiguous { candidates } => write!(f, "{candidates} accounts fit the identifiers, and one is wanted"),
            Self::IdentifiersContradict { what } => write!(f, "the alert and the directory disagree: {what}"),
            Self::IdentifierWeak => f.write_str("a bare name proves nobody's identity"),
            Self::LocalAccount => f.write_str("a local account of one host, not one of the directory"),
            Self::OktaUnknown => f.write_str("Okta cannot be asked at the moment, so nobody knows the account there, nor whether it is privileged in Okta; it is asked again"),
            Self::MembershipUnreadable { why } => write!(f, "groups and roles could not be read ({why}), so nobody knows whether the account is protected"),
            Self::NoAccountThere { directory } => write!(f, "the person has no account in {directory}"),
            Self::NoRoute { why } => write!(f, "no route can do it: {why}"),
            Self::ConditionFailed { what } => write!(f, "a condition could not be computed: {what}"),
            Self::LimitReached { limit } => write!(f, "the limit {limit} has no room left for an alert of this severity; it waits for room"),
            Self::Burst { accounts, window } => write!(f, "{accounts} people in {window} for one detector: a person decides"),
            Self::Cooldown { until } => write!(f, "the same was done a short while ago; not again before {}", until.to_the_second()),
            Self::NotBegun => f.write_str("nothing has been called yet; it waits for its turn"),
            Self::StepAwaited { verb } => write!(f, "nothing has been called yet; it waits for the step before it, {verb}"),
            Self::UnderWay => f.write_str("nothing has been called yet; a call of ours on the same account is still being looked at"),
            Self::FactsTooOld => f.write_str("the directories answered so slowly that what the guardrails had read was too old to act on; nothing was called, and all of it is read again"),
            Self::Called => f.write_str("called; the answer is not there yet"),
            Self::AnswerLost { again } => write!(f, "whether the call did something is not known; riposte looks whether it happened, next at {}", again.to_the_second()),
            Self::NotSeenYet { looks: 0, again } => write!(f, "accepted; the first look whether it is in place is at {}", again.to_the_second()),
            Self::NotSeenYet { looks, again } => write!(f, "accepted, and not seen in {looks} look{}; the next is at {}", if *looks == 1 { "" } else { "s" }, again.to_the_second()),
            Self::Paused { by } => write!(f, "riposte is paused ({by})"),
            Self::NoLongerWanted => f.write_str("the alert or the rule has changed since, and nothing wants it any more"),
            Self::StepBefore { verb } => write!(f, "the step before it, {verb}, did not end well"),
            Self::HeldAlready => f.write_str("an earlier action of ours holds it; this alert holds it too"),
            Self::InPlaceAlready => f.write_str("it was so before anything was called; whoever did it keeps it"),
            Self::Seen => f.write_str("seen in place after the call"),
            Self::NotSeen { looks } => write!(f, "accepted, but not seen in {looks} looks"),
            Self::UndoneBy { whom } => write!(f, "it was in place and is no longer: undone by {whom}"),
            Self::SaysOtherwise => f.write_str("the account says otherwise"),
            Self::PasswordNeverExpires => f.write_str("the password is set never to expire, so asking for a change would do nothing; clear that setting or reset the password"),
            Self::NotSuspendable { status } => write!(f, "Okta suspends active users only, and this one is {status}"),
            Self::PriorUnknown { why } => write!(f, "the state before could not be read ({why}), and without it nothing is changed"),
            Self::Refused { failure } => write!(f, "the call did not succeed: {failure}"),
            Self::GaveUp { attempts, last } => write!(f, "given up after {attempts} attempts: {last}"),
            Self::NothingHappened { attempts } => write!(f, "called {attempts} times without a good answer, and a look shows that nothing happened; it is not called again without you: approve to try again, or deny to close"),
            Self::CannotTell => f.write_str("the answer was lost and looking cannot tell whether it happened: look yourself, then approve to try again or deny to close"),
            Self::TooLate { held: None } => f.write_str("too old to be carried out"),
            Self::TooLate { held: Some(held) } => write!(f, "too old to be carried out; it was held up to the end ({held})"),
            Self::Operator { by, at } => write!(f, "asked for by {by}{}", since(*at)),
            Self::TimeOver => f.write_str("the time of the containment is over"),
            Self::ChangedSince { found } => write!(f, "somebody changed the account after us (found: {found}); putting back would overwrite that"),
            Self::HeldByOthers { holders: 1, by } => {
                let by = by.first().map(|by| format!(" ({by})")).unwrap_or_default();
                write!(f, "one other alert still holds it; it ends when the action of that alert{by} is undone too")
            }
            Self::HeldByOthers { holders, by } => {
                let more = if *holders > by.len() { " ..." } else { "" };
                let by = if by.is_empty() { String::new() } else { format!(" ({}{more})", by.join(", ")) };
                write!(f, "{holders} other alerts still hold it; it ends when the actions of those{by} are undone too")
            }
            Self::IncidentActive => f.write_str("the time is over, but the incident is not closed: a person decides; it ends by itself once the incident is closed, which is looked at daily"),
            Self::NoIncident => f.write_str("the time is over, and a trigger's alert has no incident that could be closed: a person decides, and is asked again daily"),
            Self::NewerAlert => f.write_str("the time is over, but another alert has named the account since: a person decides, and is asked again daily"),
            Self::CannotBeUndone => f.write_str("nothing can undo it"),
            Self::Unreadable { why } => write!(f, "the alert could not be read: {why}"),
            Self::Merged { into } => write!(f, "the same alert as {into}"),
        }
    }
}

/// When a person said so, where that is known.
fn since(at: Option<At>) -> String {
    at.map(|at| format!(" at {}", at.to_the_second())).unwrap_or_default()
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BreakGlass => f.write_str("on the break-glass list"),
            Self::BuiltIn => f.write_str("built-in account"),
            Self::Computer => f.write_str("computer or trust account"),
            Self::DirectorySync => f.write_str("directory synchronisation account"),
            Self::Ourselves => f.write_str("riposte's own identity, or an owner of it"),
            Self::Approver => f.write_str("one of the approvers"),
            Self::LastAdministrator(role) => {
                write!(
                    f,
                    "nobody else who may sign in is in the Entra role {role}; give the role to a second account first"
                )
            }
            Self::Group(group) => write!(f, "member of the protected group {group}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_simulated_says_what_would_have_come_of_it() {
        let simulate = || Reason::Simulate { rule: "r".into() };
        let asks = Reason::ApprovalWanted { rule: "r".into() };
        let protected = Reason::Protected { why: Protection::BreakGlass };
        for (reason, would, line) in [
            (Reason::DryRun, None, "dry-run: it would run, if the last check lets it"),
            (
                Reason::DryRun,
                Some(&asks),
                "dry-run: it would ask a person: approval-wanted: rule r asks before it acts",
            ),
            (simulate(), None, "simulate: rule r is in simulate: this is what it would have done"),
            (
                simulate(),
                Some(&protected),
                "simulate: rule r is in simulate; it would be withheld: protected: the account is never touched: on the \
                 break-glass list",
            ),
        ] {
            assert_eq!(reason.simulated(would), line);
        }
    }

    #[test]
    fn the_code_in_json_is_the_code_in_the_sentence() {
        for reason in [Reason::DryRun, Reason::AccountUnknown, Reason::RuleMatched { rule: "r".into() }] {
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!(json["code"], reason.code());
            assert!(reason.line().starts_with(&format!("{}: ", reason.code())));
        }
    }
}
