//! A service definition as the generator reads it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(crate) struct Definition {
    pub(crate) metadata: Value,
    pub(crate) operations: BTreeMap<String, Value>,
    pub(crate) shapes: BTreeMap<String, Value>,
    pub(crate) pagination: BTreeMap<String, Value>,
    /// Shapes that appear below an operation's input or output, so that both conversions exist.
    pub(crate) nested: BTreeSet<String>,
    pub(crate) inputs: BTreeSet<String>,
    pub(crate) outputs: BTreeSet<String>,
}

impl Definition {
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut root: BTreeMap<String, Value> = serde_json::from_str(text)?;
        let mut table = |name: &str| -> Result<BTreeMap<String, Value>, serde_json::Error> {
            serde_json::from_value(
                root.remove(name).unwrap_or_else(|| Value::Object(Default::default())),
            )
        };
        let (operations, shapes, pagination) =
            (table("operations")?, table("shapes")?, table("pagination")?);
        let metadata = root.remove("metadata").unwrap_or_default();
        let mut definition = Self {
            metadata,
            operations,
            shapes,
            pagination,
            nested: BTreeSet::new(),
            inputs: BTreeSet::new(),
            outputs: BTreeSet::new(),
        };
        definition.find_reachable();
        Ok(definition)
    }

    fn find_reachable(&mut self) {
        let ends = |end: &str| -> BTreeSet<String> {
            let shape = |o: &Value| o[end]["shape"].as_str().map(str::to_owned);
            self.operations.values().filter_map(shape).collect()
        };
        self.inputs = ends("input");
        self.outputs = ends("output");
        let mut todo: Vec<String> = Vec::new();
        for name in self.inputs.iter().chain(&self.outputs) {
            todo.extend(self.children(name));
        }
        while let Some(name) = todo.pop() {
            if self.nested.insert(name.clone()) {
                todo.extend(self.children(&name));
            }
        }
    }

    fn children(&self, name: &str) -> Vec<String> {
        let shape = &self.shapes[name];
        let mut found: Vec<String> = self.members(name).into_iter().map(|m| m.shape).collect();
        for end in ["member", "key", "value"] {
            found.extend(shape[end]["shape"].as_str().map(str::to_owned));
        }
        found
    }

    pub(crate) fn members(&self, name: &str) -> Vec<Member> {
        let shape = &self.shapes[name];
        let required: Vec<&str> =
            shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let Some(members) = shape["members"].as_object() else { return Vec::new() };
        members
            .iter()
            .map(|(member, spec)| {
                let location = spec["location"].as_str().map(str::to_owned);
                let location_name = spec["locationName"].as_str().unwrap_or(member).to_owned();
                // In the one object that the engine binds, located members keep their own name.
                let wire = if location.is_some() { member.clone() } else { location_name.clone() };
                Member {
                    name: member.clone(),
                    wire,
                    location,
                    location_name,
                    shape: spec["shape"].as_str().expect("a member has a shape").to_owned(),
                    is_required: required.contains(&member.as_str()),
                    is_token: spec["idempotencyToken"] == true,
                    is_json: spec["jsonvalue"] == true,
                }
            })
            .collect()
    }
}

pub(crate) struct Member {
    pub(crate) name: String,
    /// The key under which JSON carries it.
    pub(crate) wire: String,
    pub(crate) location: Option<String>,
    pub(crate) location_name: String,
    pub(crate) shape: String,
    pub(crate) is_required: bool,
    pub(crate) is_token: bool,
    pub(crate) is_json: bool,
}
