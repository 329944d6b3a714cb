//! Which of the modelled operations a server does, as a page for `docs/`.

#![allow(clippy::let_underscore_must_use, reason = "writing to a String cannot fail")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use model::spec::OperationSpec;
use model::{SERVICES, ServiceId};

/// The page: a line that counts, then every operation of every service with its true state.
pub fn page(built: impl IntoIterator<Item = &'static OperationSpec>) -> String {
    let built: BTreeSet<(ServiceId, &str)> =
        built.into_iter().map(|operation| (operation.service, operation.name)).collect();
    let mut out = String::new();
    let _ = writeln!(out, "{} of {} operations\n", built.len(), model::operations().count());
    out.push_str(
        "An operation that is `built` does what AWS documents, but for the differences that its \
         feature's README names. `501` answers with that status and names itself.\n",
    );
    for service in SERVICES {
        let has = |name: &str| built.contains(&(service.id, name));
        let count = service.operations.iter().filter(|o| has(o.name)).count();
        let all = service.operations.len();
        let _ = writeln!(out, "\n## {} (`{}`): {count} of {all}\n", service.name, service.model);
        out.push_str("| Operation | State |\n|---|---|\n");
        for operation in service.operations {
            let state = if has(operation.name) { "built" } else { "501" };
            let _ = writeln!(out, "| {} | {state} |", operation.name);
        }
    }
    out
}
