//! Writes a struct for every structure and an enum for every string with values.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::definition::{Definition, Member};
use crate::names::{pascal, snake, variant};

pub(crate) fn write(definition: &Definition) -> String {
    let mut out = String::new();
    for (name, shape) in &definition.shapes {
        let is_reached = definition.nested.contains(name)
            || definition.inputs.contains(name)
            || definition.outputs.contains(name);
        if !is_reached {
            continue;
        }
        if shape["type"] == "structure" {
            write_struct(definition, name, &mut out);
        } else if shape["type"] == "string" && shape["enum"].is_array() {
            write_enum(definition, name, &mut out);
        }
    }
    out
}

fn write_struct(definition: &Definition, name: &str, out: &mut String) {
    let is_nested = definition.nested.contains(name);
    let mut derives = vec!["Clone", "Debug", "PartialEq"];
    if has_default(definition, name) {
        derives.push("Default");
    }
    if is_nested || definition.outputs.contains(name) {
        derives.push("serde::Serialize");
    }
    if is_nested || definition.inputs.contains(name) {
        derives.push("serde::Deserialize");
    }
    let _ = writeln!(out, "/// The shape `{name}`.");
    let _ = writeln!(out, "#[derive({})]\npub struct {} {{", derives.join(", "), pascal(name));
    for member in definition.members(name) {
        write_member(definition, &member, out);
    }
    out.push_str("}\n");
}

fn write_member(definition: &Definition, member: &Member, out: &mut String) {
    let rust = rust_type(definition, &member.shape);
    let _ = writeln!(out, "    /// `{}`.", member.wire);
    if member.is_required {
        let _ = writeln!(out, "    #[serde(rename = {:?})]", member.wire);
        let _ = writeln!(out, "    pub {}: {rust},", snake(&member.name));
    } else {
        let _ = writeln!(
            out,
            "    #[serde(rename = {:?}, default, skip_serializing_if = \"Option::is_none\")]",
            member.wire
        );
        let _ = writeln!(out, "    pub {}: Option<{rust}>,", snake(&member.name));
    }
}

fn write_enum(definition: &Definition, name: &str, out: &mut String) {
    let values = definition.shapes[name]["enum"].as_array().expect("checked by the caller");
    let values: Vec<&str> = values.iter().filter_map(|v| v.as_str()).collect();
    let mut taken = BTreeSet::new();
    let variants: Vec<String> = values
        .iter()
        .map(|value| {
            let mut name = variant(value);
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            name
        })
        .collect();
    let enum_name = pascal(name);
    let _ = writeln!(out, "/// The values of `{name}`.");
    out.push_str("#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]\n");
    let _ = writeln!(out, "pub enum {enum_name} {{");
    for (value, variant) in values.iter().zip(&variants) {
        let _ =
            writeln!(out, "    /// `{value}`.\n    #[serde(rename = {value:?})]\n    {variant},");
    }
    let _ = writeln!(
        out,
        "}}\nimpl {enum_name} {{\n    /// The value as the wire has it.\n    pub const fn as_str(self) -> &'static str {{\n        match self {{"
    );
    for (value, variant) in values.iter().zip(&variants) {
        let _ = writeln!(out, "            Self::{variant} => {value:?},");
    }
    out.push_str("        }\n    }\n}\n");
}

fn rust_type(definition: &Definition, name: &str) -> String {
    let shape = &definition.shapes[name];
    match shape["type"].as_str().expect("a shape has a type") {
        "structure" => pascal(name),
        "string" if shape["enum"].is_array() => pascal(name),
        "string" if shape["sensitive"] == true => "crate::Sensitive".into(),
        "string" => "String".into(),
        "integer" => "i32".into(),
        "long" => "i64".into(),
        "float" => "f32".into(),
        "double" => "f64".into(),
        "boolean" => "bool".into(),
        "timestamp" if shape["timestampFormat"] == "iso8601" => "crate::Iso8601".into(),
        "timestamp" => "types::Timestamp".into(),
        "blob" => "crate::Blob".into(),
        "list" => format!("Vec<{}>", rust_type(definition, shape_of(shape, "member"))),
        "map" => format!(
            "std::collections::BTreeMap<{}, {}>",
            rust_type(definition, shape_of(shape, "key")),
            rust_type(definition, shape_of(shape, "value"))
        ),
        other => unreachable!("the models have no shape of type {other}"),
    }
}

fn shape_of<'a>(shape: &'a serde_json::Value, end: &str) -> &'a str {
    shape[end]["shape"].as_str().expect("a list or map names its shapes")
}

/// Whether every required member has a default value that cannot mislead: an enum has none.
fn has_default(definition: &Definition, name: &str) -> bool {
    definition.members(name).iter().filter(|m| m.is_required).all(|member| {
        let shape = &definition.shapes[&member.shape];
        match shape["type"].as_str() {
            Some("structure") => has_default(definition, &member.shape),
            Some("string") => !shape["enum"].is_array(),
            _ => true,
        }
    })
}
