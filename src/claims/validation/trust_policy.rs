//! Claims and their exact values.

/// Claims and the exact value of each, for issuers that give tokens to any workload of any customer.
///
/// The tokens of GitHub Actions, GitLab or a Kubernetes cluster are signed by one issuer for all its workloads: that a token
/// is genuine does not say whose it is. A policy says which workloads are trusted. A token fits when each claim of the policy
/// is a string and has the value, to the letter; there are no patterns.
///
/// ```
/// use tower_bearer::Validation;
/// use tower_bearer::validation::TrustPolicy;
///
/// // Deployments from the main branch of one repository. Its number stays when it is renamed.
/// let deployments = TrustPolicy::new("repository_id", "123456789")
///     .and("ref", "refs/heads/main")
///     .and("environment", "production");
/// let validation =
///     Validation::new("https://token.actions.githubusercontent.com", "https://deploy.example.com")
///         .with_trust_policies([deployments]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustPolicy {
    pub(super) claims: Vec<(String, String)>,
}

impl TrustPolicy {
    /// Trusts tokens in which this claim has this value.
    ///
    /// A claim that starts with `/` is a JSON Pointer, as for
    /// [`with_roles_at`](crate::Validation::with_roles_at): `/kubernetes.io/namespace`.
    pub fn new(claim: impl Into<String>, value: impl Into<String>) -> Self {
        Self { claims: vec![(claim.into(), value.into())] }
    }

    /// Asks for this claim and value too.
    #[must_use]
    pub fn and(mut self, claim: impl Into<String>, value: impl Into<String>) -> Self {
        self.claims.push((claim.into(), value.into()));
        self
    }

    #[cfg(feature = "config")]
    pub(crate) fn from_pairs(claims: Vec<(String, String)>) -> Self {
        Self { claims }
    }

    /// Returns the claims and values, in the order they were given.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        self.claims.iter().map(|(claim, value)| (&**claim, &**value))
    }
}
