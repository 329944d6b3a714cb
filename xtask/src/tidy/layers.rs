//! Which way dependencies point: a crate uses crates of lower layers, never of its own.

use std::collections::BTreeMap;

use super::Problem;
use crate::workspace::{self, DependencyKind, Member};

/// The layer of each folder, from the bottom. A new crate is added here on purpose.
const LAYERS: [(u8, &str, &[&str]); 10] = [
    (1, "base", &["types"]),
    (2, "base", &["mqtt", "policy", "sql", "sigv4", "lorawan"]),
    (
        3,
        "platform",
        &[
            "env",
            "store",
            "journal",
            "bus",
            "doors",
            "functions",
            "targets",
            "outbound",
            "pki",
            "secrets",
        ],
    ),
    (3, "api", &["model"]),
    (4, "api", &["service"]),
    (5, "api", &["gateway"]),
    (5, "", &["broker", "console"]),
    (6, "", &["ferrite", "testing", "sim"]),
    (6, "acceptance", &["load"]),
    (6, "bench", &["mqload"]),
];

/// Every folder in `features/` is a sibling of the gateway and the broker.
const FEATURES: &str = "features/";
const LAYER_OF_FEATURES: u8 = 5;

/// Chores: outside of the layers, using nothing and used by nothing.
const CHORES: &str = "xtask";

/// Who may use a sibling, which, and why. `*` is any name.
const EXCEPTIONS: [(&str, &str, &str); 17] = [
    ("platform/*", "platform/env", "everything outside takes time and randomness from env"),
    ("platform/functions", "platform/outbound", "remote functions are called over HTTP"),
    ("platform/targets", "platform/outbound", "targets are called over HTTP"),
    ("platform/targets", "platform/store", "local tables and streams are records of the store"),
    ("features/provisioning", "features/registry", "provisioning makes things and certificates"),
    ("features/jobs", "features/registry", "a job's targets are things and groups"),
    ("features/commands", "features/registry", "a command's targets are things"),
    ("features/software", "features/registry", "updates go to things and groups"),
    ("features/indexing", "features/registry", "the index holds things and groups"),
    ("features/defender", "features/registry", "audits read certificates and policies"),
    ("features/greengrass", "features/registry", "core devices are things"),
    ("features/authorizers", "features/registry", "a domain configuration names certificates"),
    ("features/credentials", "features/registry", "credentials are given to certificates"),
    ("features/indexing", "features/shadow", "the index holds shadows"),
    ("features/rules", "features/shadow", "rules SQL reads shadows"),
    ("features/defender", "features/indexing", "detect aggregates over the index"),
    ("features/greengrass", "features/jobs", "a deployment is a job"),
];

/// As [`EXCEPTIONS`]: who asks identity for keys and roles.
const EXCEPTIONS_FOR_IDENTITY: [(&str, &str, &str); 2] = [
    ("features/authorizers", "features/identity", "an authorizer runs under a role"),
    ("features/credentials", "features/identity", "a role alias stands for a role"),
];

/// The crate that tests of layers 4 and 5 may use, although it lies above them.
const TEST_SERVER: &str = "testing";

/// Names every crate without a layer, and every dependency that points the wrong way.
pub fn check(members: &[Member], own: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in members {
        let manifest = format!("{}/Cargo.toml", member.folder);
        if member.folder != CHORES && layer(&member.folder).is_none() {
            problems.push(Problem::new(&manifest, 0, "add the crate to a layer in xtask"));
        }
        for (kind, name) in workspace::dependencies(&member.manifest) {
            let Some(used) = own.get(&name) else { continue };
            if !may_use(&member.folder, used, kind) {
                let message = format!("{} may not depend on {used}", member.folder);
                problems.push(Problem::new(&manifest, 0, message));
            }
        }
    }
    problems
}

fn may_use(user: &str, used: &str, kind: DependencyKind) -> bool {
    let is_tested_with = kind == DependencyKind::Test && used == TEST_SERVER;
    match (layer(user), layer(used)) {
        (Some(user), Some(_)) if is_tested_with => user >= 4,
        (Some(upper), Some(lower)) => lower < upper || is_exception(user, used),
        _ => false,
    }
}

/// The layer that a crate's folder is in.
pub fn layer(folder: &str) -> Option<u8> {
    if folder.starts_with(FEATURES) {
        return Some(LAYER_OF_FEATURES);
    }
    let (parent, name) = folder.split_once('/').unwrap_or(("", folder));
    LAYERS
        .iter()
        .find(|(_, of, names)| *of == parent && names.contains(&name))
        .map(|(layer, _, _)| *layer)
}

fn is_exception(user: &str, used: &str) -> bool {
    EXCEPTIONS.iter().chain(&EXCEPTIONS_FOR_IDENTITY).any(|(who, whom, _)| {
        *whom == used
            && user != used
            && match who.strip_suffix('*') {
                Some(prefix) => user.starts_with(prefix),
                None => *who == user,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user: &str, used: &str, expect: bool) {
        assert_eq!(may_use(user, used, DependencyKind::Build), expect, "{user} -> {used}");
    }

    #[test]
    fn dependencies_point_downwards() {
        check("features/registry", "api/service", true);
        check("features/registry", "base/types", true);
        check("ferrite", "features/registry", true);
        check("base/types", "base/policy", false);
        check("api/service", "api/gateway", false);
        check("platform/store", "api/model", false);
    }

    #[test]
    fn siblings_do_not_see_one_another_but_for_the_exceptions() {
        check("features/shadow", "features/registry", false);
        check("api/gateway", "features/identity", false);
        check("broker", "api/gateway", false);
        check("platform/store", "platform/secrets", false);
        check("platform/store", "platform/env", true);
        check("features/jobs", "features/registry", true);
        check("features/registry", "features/jobs", false);
        check("features/credentials", "features/identity", true);
    }

    #[test]
    fn only_tests_reach_up_and_only_for_the_test_server() {
        assert!(may_use("features/registry", "testing", DependencyKind::Test));
        assert!(!may_use("features/registry", "testing", DependencyKind::Build));
        assert!(!may_use("platform/store", "testing", DependencyKind::Test));
        assert!(!may_use("features/registry", "ferrite", DependencyKind::Test));
    }

    #[test]
    fn a_crate_outside_the_layers_is_named() {
        let member = Member { folder: "platform/magic".to_owned(), manifest: String::new() };
        let problems = super::check(&[member], &BTreeMap::new());
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn chores_use_nothing_of_the_product() {
        let own = BTreeMap::from([("types".to_owned(), "base/types".to_owned())]);
        let manifest = "[dependencies]\ntypes.workspace = true\n".to_owned();
        let problems = super::check(&[Member { folder: CHORES.to_owned(), manifest }], &own);
        assert_eq!(problems.len(), 1);
    }
}
