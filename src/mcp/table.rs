//! The table from operation to policy.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::folded;
use super::operation::{CALL, Operation, Unclear};
use crate::claims::Principal;
use crate::claims::policy::{Access, Policy, PolicyDescription, all_of};

/// Requires a policy for each operation of an MCP server, or of another JSON-RPC server.
///
/// This is a layer for the inside of a [`BearerLayer`](crate::BearerLayer). It reads the method of each message, and the
/// name of the tool, and asks the policy of the operation before the server sees the request.
///
/// ```
/// use tower_bearer::mcp::Operations;
/// use tower_bearer::policy::scope;
/// # use axum::Router;
/// # use tower_bearer::{BearerLayer, Verifier};
///
/// # fn protect(mcp: Router, verifier: Verifier<()>) -> Router {
/// let operations = Operations::new()
///     .with_open_tools(["whoami"])
///     .with_tool("search", scope("orders:read"))
///     .with_tool("close", scope("orders:write"))
///     .with_method("resources/read", scope("orders:read"));
/// mcp.layer(operations).layer(BearerLayer::new(verifier))
/// # }
/// ```
///
/// A refused request is answered 403. Its challenge has all scopes that the operation needs, so that the client can ask
/// for them at once. It is not an error inside of an answer with status 200, which no client acts on.
///
/// # The need of an operation
///
/// | operation | |
/// |---|---|
/// | a tool or method of the table | its policy |
/// | another tool | [`with_other_tools`](Self::with_other_tools), or else no token is enough |
/// | `initialize`, `ping`, `server/discover`, the lists (`tools/list`, `prompts/list`, `resources/list`, `resources/templates/list`), all notifications `notifications/…`, and answers to the server | a token |
/// | another method | [`with_other_methods`](Self::with_other_methods), or else no token is enough |
/// | an operation that is not clear | everything |
/// | `GET`, `HEAD`, `DELETE` and `OPTIONS` without a body and without `Upgrade`: streams, and the end of a session | a token |
///
/// *Everything* are all policies of the table. Unless [`with_other_tools`](Self::with_other_tools) and
/// [`with_other_methods`](Self::with_other_methods) are both set, no token is enough: the operation may be one that the table does not
/// name.
///
/// An operation is not clear if the body is larger than [`with_max_body`](Self::with_max_body), is not said to be JSON in
/// UTF-8, has a `Content-Encoding`, is a batch, or can be read in two ways: a member that decides comes twice, or in
/// another case. A name of a tool or method that differs from one of the table in case only counts as one that the table
/// does not name, and needs everything beside.
///
/// The body goes on as it came, byte for byte.
#[derive(Clone)]
pub struct Operations {
    table: Arc<Table>,
}

/// The policy of each operation.
#[derive(Clone)]
pub(super) struct Table {
    tools: Needs,
    methods: Needs,
    other_tools: Option<Arc<dyn Policy>>,
    others: Option<Arc<dyn Policy>>,
    /// The policies of calls: the policy of `tools/call`, if it has one, and that of the tool.
    calls: Needs,
    other_calls: Option<Arc<dyn Policy>>,
    /// The policy of what the table does not name, where no other was set.
    nothing: Arc<dyn Policy>,
    /// All policies in the order in which they were added.
    policies: Vec<Arc<dyn Policy>>,
    /// The policy of an operation that is not clear.
    everything: Arc<dyn Policy>,
    pub(super) max_body: usize,
}

type Needs = HashMap<Box<str>, Need, RandomState>;

/// The need of one operation: a policy, or no more than a token.
type Need = Option<Arc<dyn Policy>>;

impl Operations {
    /// Creates an empty table, which allows no tool.
    pub fn new() -> Self {
        let table = Table {
            tools: Needs::default(),
            methods: Needs::default(),
            other_tools: None,
            others: None,
            calls: Needs::default(),
            other_calls: None,
            nothing: Arc::new(NotInTable),
            policies: Vec::new(),
            everything: Arc::new(NotInTable),
            max_body: DEFAULT_MAX_BODY,
        };
        Self { table: Arc::new(table) }
    }

    /// Requires a policy of calls of this tool. A second policy for the same tool is required beside the first.
    #[must_use]
    pub fn with_tool(self, name: impl Into<String>, policy: impl Policy) -> Self {
        self.add(policy, |table, policy| add(&mut table.tools, name.into(), policy))
    }

    /// Allows calls of these tools to every principal.
    #[must_use]
    pub fn with_open_tools<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.change(|table| open(&mut table.tools, names))
    }

    /// Requires a policy of messages of this method. A second policy for the same method is required beside the first.
    ///
    /// The policy of `tools/call` is required of every call, beside that of the tool.
    #[must_use]
    pub fn with_method(self, name: impl Into<String>, policy: impl Policy) -> Self {
        self.add(policy, |table, policy| add(&mut table.methods, name.into(), policy))
    }

    /// Allows messages of these methods to every principal. `tools/call` is not one of them: open the tools.
    #[must_use]
    pub fn with_open_methods<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.change(|table| open(&mut table.methods, names))
    }

    /// Requires a policy of calls of tools that the table does not name. By default they are refused.
    #[must_use]
    pub fn with_other_tools(self, policy: impl Policy) -> Self {
        self.add(policy, |table, policy| add_to(&mut table.other_tools, policy))
    }

    /// Requires a policy of methods that the table does not name, other than those that need no more than a token. By
    /// default they are refused.
    #[must_use]
    pub fn with_other_methods(self, policy: impl Policy) -> Self {
        self.add(policy, |table, policy| add_to(&mut table.others, policy))
    }

    /// Sets the number of bytes up to which a body is read for its operation. The default is 1 MiB.
    ///
    /// A larger body needs everything. The layer holds no more than this of one request, and what a larger body has
    /// brought beyond it at once.
    #[must_use]
    pub fn with_max_body(self, bytes: usize) -> Self {
        self.change(|table| table.max_body = bytes)
    }

    /// Returns whether the principal may call this tool, so that a list of tools shows no others.
    ///
    /// A policy that reads the request refuses here.
    pub fn allows_tool(&self, principal: &Principal, name: &str) -> bool {
        let policy = self.table.policy(&Ok(Operation::Tool(name.into())));
        policy.is_none_or(|policy| policy.allows(&Access::new(principal)))
    }

    /// Returns what the policies ask for.
    pub(super) fn descriptions(&self) -> impl Iterator<Item = PolicyDescription> {
        self.table.policies.iter().map(Policy::describe)
    }

    pub(super) fn table(&self) -> &Arc<Table> {
        &self.table
    }

    fn add(self, policy: impl Policy, add: impl FnOnce(&mut Table, &Arc<dyn Policy>)) -> Self {
        let policy: Arc<dyn Policy> = Arc::new(policy);
        self.change(|table| {
            table.policies.push(Arc::clone(&policy));
            add(table, &policy);
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Table)) -> Self {
        let table = Arc::make_mut(&mut self.table);
        change(table);
        let every_call = table.methods.get(CALL).cloned().flatten();
        let call = |need: &Need| both(every_call.as_ref(), need.as_ref());
        table.calls = table.tools.iter().map(|(name, need)| (name.clone(), call(need))).collect();
        table.other_calls = table.other_tools.as_ref().and_then(|_| call(&table.other_tools));
        table.everything = table.everything();
        self
    }
}

impl Default for Operations {
    fn default() -> Self {
        Self::new()
    }
}

fn add(needs: &mut Needs, name: String, policy: &Arc<dyn Policy>) {
    add_to(needs.entry(name.into()).or_default(), policy);
}

fn add_to(need: &mut Need, policy: &Arc<dyn Policy>) {
    *need = both(need.as_ref(), Some(policy));
}

fn open<N: Into<String>>(needs: &mut Needs, names: impl IntoIterator<Item = N>) {
    for name in names {
        needs.entry(name.into().into()).or_default();
    }
}

fn both(one: Option<&Arc<dyn Policy>>, other: Option<&Arc<dyn Policy>>) -> Need {
    match (one, other) {
        (Some(one), Some(other)) => Some(Arc::new(Arc::clone(one).and(Arc::clone(other)))),
        (one, other) => one.or(other).cloned(),
    }
}

impl Table {
    /// Returns the policy of an operation that is not clear: it may be any, one that the table does not name included.
    fn everything(&self) -> Arc<dyn Policy> {
        match (&self.other_tools, &self.others) {
            (Some(_), Some(_)) => Arc::new(all_of(self.policies.iter().cloned())),
            _ => Arc::clone(&self.nothing),
        }
    }

    /// Returns the policy of an operation, or `None` if a token is enough.
    pub(super) fn policy(
        &self,
        operation: &Result<Operation<'_>, Unclear>,
    ) -> Option<&Arc<dyn Policy>> {
        match operation {
            Ok(Operation::Tool(name)) => self.policy_of_tool(name),
            Ok(Operation::Method(name)) => self.policy_of_method(name, false),
            Ok(Operation::Notification(name)) => self.policy_of_method(name, true),
            Ok(Operation::Answer) => None,
            Err(_) => Some(&self.everything),
        }
    }

    fn policy_of_tool(&self, name: &str) -> Option<&Arc<dyn Policy>> {
        match (self.calls.get(name), &self.other_calls) {
            (Some(need), _) => need.as_ref(),
            (None, Some(policy)) if !is_like_one_of(&self.tools, name) => Some(policy),
            (None, Some(_)) => Some(&self.everything),
            (None, None) => Some(&self.nothing),
        }
    }

    fn policy_of_method(&self, name: &str, is_notification: bool) -> Option<&Arc<dyn Policy>> {
        if let Some(need) = self.methods.get(name) {
            return need.as_ref();
        }
        if OPEN.contains(&name) || is_notification && name.starts_with(NOTIFICATIONS) {
            return None;
        }
        match &self.others {
            // A server that ignores case would run a method that has another policy.
            Some(policy)
                if !folded::is_same(CALL, name) && !is_like_one_of(&self.methods, name) =>
            {
                Some(policy)
            }
            Some(_) => Some(&self.everything),
            None => Some(&self.nothing),
        }
    }
}

/// Allows nothing: a tool that was forgotten in the table is closed to all.
struct NotInTable;

impl Policy for NotInTable {
    fn allows(&self, _: &Access<'_>) -> bool {
        false
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Custom(NOT_IN_TABLE.to_owned())
    }
}

/// Returns whether a name differs from one of the table in case only.
#[cold]
fn is_like_one_of(needs: &Needs, name: &str) -> bool {
    needs.keys().any(|known| folded::is_same(known, name))
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |needs: &Needs| {
            let mut names: Vec<_> = needs.keys().cloned().collect();
            names.sort_unstable();
            names
        };
        f.debug_struct("Operations")
            .field("tools", &names(&self.table.tools))
            .field("methods", &names(&self.table.methods))
            .field("max_body", &self.table.max_body)
            .finish_non_exhaustive()
    }
}

const NOT_IN_TABLE: &str = "an entry in the table: see `with_tool`, `with_other_tools`, `with_method` and `with_other_methods` of `Operations`";
const DEFAULT_MAX_BODY: usize = 1 << 20;

/// The methods by which clients learn what there is. They say no more than that.
const OPEN: [&str; 7] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];
const NOTIFICATIONS: &str = "notifications/";
