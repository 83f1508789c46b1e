use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::advice::Facts;
use super::change::Change;
use super::step::Step;
use crate::error::{AuthError, ReasonClass};

/// The result of one check of a token.
#[derive(Clone)]
pub struct Check {
    step: Step,
    outcome: Outcome,
    change: Option<Change>,
}

/// The outcome of a [`Check`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The token passes the check.
    Passed,
    /// The token fails the check.
    Failed(AuthError),
    /// The check needs keys or answers that are not available now.
    Undecided(AuthError),
    /// The check needs something that an earlier failure leaves unknown.
    Skipped,
}

impl Outcome {
    /// Returns the outcome as a stable word: `passed`, `failed`, `undecided`, `skipped`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Undecided(_) => "undecided",
            Self::Skipped => "skipped",
        }
    }

    /// Returns the error of a check that did not pass.
    pub fn error(&self) -> Option<&AuthError> {
        match self {
            Self::Failed(error) | Self::Undecided(error) => Some(error),
            Self::Passed | Self::Skipped => None,
        }
    }
}

impl Check {
    /// Returns the check.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Returns its outcome.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Returns the change with which the token would pass this check. `None` if it passes.
    pub fn change(&self) -> Option<&Change> {
        self.change.as_ref()
    }
}

/// The verdict of a verifier about a token, check by check.
///
/// It quotes claims of the token, and names what the API expects: for operators and developers, not for clients.
///
/// Serialised, it is an object with `verdict` (`accepted`, `refused` or `undecided`), `reason`, `status`, `sentence`,
/// `checks` (objects with `name`, `title`, `outcome` and `detail`) and `change`.
#[derive(Clone)]
pub struct Explanation {
    verdict: Result<(), AuthError>,
    checks: Vec<Check>,
    change: Option<Change>,
}

impl Explanation {
    pub(in crate::verify) fn new(verdict: Result<(), AuthError>, checks: Checks) -> Self {
        let Checks(mut checks) = checks;
        // What waits for an answer was asked by the verifier itself.
        if let Err(error) = &verdict
            && !checks.iter().any(|check| check.outcome.error().is_some())
        {
            let change = Some(Change::of_reason(error.reason()));
            let step = checks.iter_mut().find(|check| matches!(check.outcome, Outcome::Skipped));
            if let Some(check) = step {
                (check.outcome, check.change) = (Checks::outcome(error.clone()), change);
            }
        }
        let change = match &verdict {
            Ok(()) => None,
            Err(error) => {
                let all = Change::all(checks.iter().filter_map(Check::change));
                Some(all.unwrap_or_else(|| Change::of_reason(error.reason())))
            }
        };
        Self { verdict, checks, change }
    }

    /// Returns whether the verifier accepts the token.
    pub fn is_accepted(&self) -> bool {
        self.verdict.is_ok()
    }

    /// Returns the error with which the verifier refuses the token.
    pub fn error(&self) -> Option<&AuthError> {
        self.verdict.as_ref().err()
    }

    /// Returns the checks, in the order of the verifier. Checks behind the first failure have been made too, where
    /// that is possible; before a valid signature their results are about unverified claims.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Returns the smallest change with which the token would be accepted: that of every check that it fails.
    pub fn change(&self) -> Option<&Change> {
        self.change.as_ref()
    }

    fn verdict(&self) -> &'static str {
        match &self.verdict {
            Ok(()) => "accepted",
            Err(error) if error.reason().class() == ReasonClass::Unavailable => "undecided",
            Err(_) => "refused",
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(()) => f.write_str("the token is accepted"),
            Err(error) => write!(f, "{error:#}"),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.outcome.as_str())
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("reason", &self.error().map(AuthError::reason))
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let detail = self.outcome.error().map(|error| format!("{error:#}"));
        let mut out = serializer.serialize_struct("Check", 5)?;
        out.serialize_field("name", self.step.as_str())?;
        out.serialize_field("title", self.step.title())?;
        out.serialize_field("outcome", self.outcome.as_str())?;
        out.serialize_field("detail", &detail)?;
        out.serialize_field("change", &self.change)?;
        out.end()
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = self.error();
        let mut out = serializer.serialize_struct("Explanation", 6)?;
        out.serialize_field("verdict", self.verdict())?;
        out.serialize_field("reason", &error.map(|error| error.reason().as_str()))?;
        out.serialize_field(
            "status",
            &error.map(|error| error.reason().class().status().as_u16()),
        )?;
        out.serialize_field("sentence", &self.to_string())?;
        out.serialize_field("checks", &self.checks)?;
        out.serialize_field("change", &self.change)?;
        out.end()
    }
}

/// The checks of one token, while they are made.
#[derive(Default)]
pub(in crate::verify) struct Checks(Vec<Check>);

impl Checks {
    /// Adds a check. Returns whether it passed.
    pub(in crate::verify) fn add(
        &mut self,
        step: Step,
        result: Result<(), AuthError>,
        change: impl FnOnce(Step, &AuthError) -> Change,
    ) -> bool {
        let (outcome, change) = match result {
            Ok(()) => (Outcome::Passed, None),
            Err(error) => {
                let change = change(step, &error);
                (Self::outcome(error), Some(change))
            }
        };
        let is_passed = change.is_none();
        self.0.push(Check { step, outcome, change });
        is_passed
    }

    /// Adds a check that says what to do by its reason and by facts about the token.
    pub(in crate::verify) fn judge(
        &mut self,
        step: Step,
        result: Result<(), AuthError>,
        facts: &Facts<'_>,
    ) -> bool {
        self.add(step, result, |step, error| facts.change(step, error))
    }

    /// Adds checks that cannot be made.
    pub(in crate::verify) fn skip(&mut self, steps: &[Step]) {
        let skipped = |&step| Check { step, outcome: Outcome::Skipped, change: None };
        self.0.extend(steps.iter().map(skipped));
    }

    fn outcome(error: AuthError) -> Outcome {
        match error.reason().class() {
            ReasonClass::Unavailable => Outcome::Undecided(error),
            _ => Outcome::Failed(error),
        }
    }
}
