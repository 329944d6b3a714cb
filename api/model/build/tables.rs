//! Writes the static tables that the engine works from, and a marker type per operation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::definition::Definition;
use crate::names::pascal;
use crate::pattern;

pub(crate) fn write(definition: &Definition, file: &str, id: &str) -> String {
    let index: BTreeMap<&str, usize> =
        definition.shapes.keys().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
    let mut out = String::from(
        "pub use tables::SERVICE;\n/// The tables.\nmod tables {\nuse crate::spec::*;\n",
    );
    write_service(definition, file, id, &mut out);
    write_operations(definition, id, &index, &mut out);
    write_shapes(definition, &index, &mut out);
    write_errors(definition, &mut out);
    out.push_str("}\n");
    write_markers(definition, &mut out);
    out
}

fn write_service(definition: &Definition, file: &str, id: &str, out: &mut String) {
    let meta = |key: &str| definition.metadata[key].as_str().unwrap_or_default().to_owned();
    let protocol = if meta("protocol") == "json" { "Json11" } else { "RestJson" };
    let capital = definition
        .shapes
        .values()
        .any(|s| s["exception"] == true && s["members"].get("Message").is_some());
    let message = if capital { "Message" } else { "message" };
    let _ = writeln!(
        out,
        "/// The service's tables.\npub static SERVICE: Service = Service {{ id: ServiceId::{id}, model: {file:?}, \
         name: {:?}, endpoint_prefix: {:?}, signing_name: {:?}, protocol: Protocol::{protocol}, \
         target_prefix: {:?}, message_member: {message:?}, operations: OPERATIONS, shapes: SHAPES, errors: ERRORS }};",
        meta("serviceId"),
        meta("endpointPrefix"),
        meta("signingName"),
        meta("targetPrefix"),
    );
}

fn write_operations(
    definition: &Definition,
    id: &str,
    index: &BTreeMap<&str, usize>,
    out: &mut String,
) {
    out.push_str("pub(super) static OPERATIONS: &[OperationSpec] = &[\n");
    for (name, operation) in &definition.operations {
        let http = &operation["http"];
        let uri = http["requestUri"].as_str().unwrap_or("/");
        let shape = |end: &str| {
            let id = operation[end]["shape"].as_str().and_then(|s| index.get(s));
            id.map_or("None".to_owned(), |id| format!("Some({id})"))
        };
        let errors: Vec<&str> = operation["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|e| e["shape"].as_str())
            .collect();
        let pages = definition.pagination.contains_key(name);
        let _ = writeln!(
            out,
            "OperationSpec {{ service: ServiceId::{id}, name: {name:?}, method: {:?}, uri: {uri:?}, path: &{}, \
             status: {}, input: {}, output: {}, errors: &{errors:?}, is_deprecated: {}, pages: {pages} }},",
            http["method"].as_str().unwrap_or("POST"),
            segments(uri),
            http["responseCode"].as_u64().unwrap_or(200),
            shape("input"),
            shape("output"),
            operation["deprecated"] == true,
        );
    }
    out.push_str("];\n");
}

fn segments(uri: &str) -> String {
    let path = uri.split('?').next().unwrap_or(uri).trim_start_matches('/');
    let list: Vec<String> = path
        .split('/')
        .map(|segment| {
            let label = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            match label {
                Some(label) => match label.strip_suffix('+') {
                    Some(greedy) => format!("Segment::Greedy({greedy:?})"),
                    None => format!("Segment::Label({label:?})"),
                },
                None => format!("Segment::Literal({segment:?})"),
            }
        })
        .collect();
    format!("[{}]", list.join(", "))
}

fn write_shapes(definition: &Definition, index: &BTreeMap<&str, usize>, out: &mut String) {
    out.push_str("static SHAPES: &[Shape] = &[\n");
    for (name, shape) in &definition.shapes {
        let kind = match shape["type"].as_str().unwrap_or_default() {
            "structure" => structure(definition, name, index),
            "list" => format!(
                "Kind::List {{ member: {}, length: {} }}",
                at(shape, "member", index),
                length(shape)
            ),
            "map" => format!(
                "Kind::Map {{ key: {}, value: {}, length: {} }}",
                at(shape, "key", index),
                at(shape, "value", index),
                length(shape)
            ),
            "string" => string(shape),
            "integer" => format!("Kind::Integer({})", integers(shape)),
            "long" => format!("Kind::Long({})", integers(shape)),
            "float" | "double" => format!("Kind::Double({})", doubles(shape)),
            "boolean" => "Kind::Boolean".into(),
            "timestamp" if shape["timestampFormat"] == "iso8601" => {
                "Kind::Timestamp(TimestampForm::Iso8601)".into()
            }
            "timestamp" => "Kind::Timestamp(TimestampForm::Epoch)".into(),
            _ => format!("Kind::Blob({})", length(shape)),
        };
        let sensitive = shape["sensitive"] == true;
        let _ =
            writeln!(out, "Shape {{ name: {name:?}, is_sensitive: {sensitive}, kind: {kind} }},");
    }
    out.push_str("];\n");
}

fn structure(definition: &Definition, name: &str, index: &BTreeMap<&str, usize>) -> String {
    let mut members = String::new();
    for m in definition.members(name) {
        let location = match m.location.as_deref() {
            Some("uri") => format!("Location::Label({:?})", m.location_name),
            Some("querystring") => format!("Location::Query({:?})", m.location_name),
            Some("header") => {
                format!("Location::Header({:?})", m.location_name.to_ascii_lowercase())
            }
            Some(_) => "Location::Status".into(),
            None => "Location::Body".into(),
        };
        let _ = write!(
            members,
            "Member {{ name: {:?}, wire: {:?}, location: {location}, shape: {}, is_required: {}, is_token: {}, is_json: {} }}, ",
            m.name,
            m.wire,
            index[m.shape.as_str()],
            m.is_required,
            m.is_token,
            m.is_json
        );
    }
    let payload = definition.shapes[name]["payload"].as_str();
    format!("Kind::Structure {{ members: &[{members}], payload: {payload:?} }}")
}

fn string(shape: &Value) -> String {
    let pattern = shape["pattern"].as_str();
    let regex = pattern.map(pattern::rewrite);
    let pattern = match (pattern, regex) {
        (Some(shown), Some(regex)) => {
            format!(
                "Some({{ static PATTERN: Pattern = Pattern::new({shown:?}, {regex:?}); &PATTERN }})"
            )
        }
        _ => "None".into(),
    };
    let values: Vec<&str> =
        shape["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!("Kind::String {{ length: {}, pattern: {pattern}, values: &{values:?} }}", length(shape))
}

fn at(shape: &Value, end: &str, index: &BTreeMap<&str, usize>) -> usize {
    index[shape[end]["shape"].as_str().expect("a list or map names its shapes")]
}

fn length(shape: &Value) -> String {
    format!("Length {{ min: {}, max: {} }}", bound(&shape["min"]), bound(&shape["max"]))
}

fn bound(value: &Value) -> String {
    value.as_u64().map_or("None".into(), |n| format!("Some({n})"))
}

fn integers(shape: &Value) -> String {
    let bound = |v: &Value| v.as_i64().map_or("None".to_owned(), |n| format!("Some({n})"));
    format!("IntegerRange {{ min: {}, max: {} }}", bound(&shape["min"]), bound(&shape["max"]))
}

fn doubles(shape: &Value) -> String {
    let bound = |v: &Value| v.as_f64().map_or("None".to_owned(), |n| format!("Some({n:?})"));
    format!("DoubleRange {{ min: {}, max: {} }}", bound(&shape["min"]), bound(&shape["max"]))
}

fn write_errors(definition: &Definition, out: &mut String) {
    out.push_str("static ERRORS: &[ErrorSpec] = &[\n");
    for (name, shape) in &definition.shapes {
        if shape["exception"] == true {
            let fault = if shape["fault"] == true { 500 } else { 400 };
            let status = shape["error"]["httpStatusCode"].as_u64().unwrap_or(fault);
            let _ = writeln!(out, "ErrorSpec {{ name: {name:?}, status: {status} }},");
        }
    }
    out.push_str("];\n");
}

fn write_markers(definition: &Definition, out: &mut String) {
    out.push_str("/// A marker type per operation.\npub mod op {\n    use crate::spec::*;\n");
    for (i, (name, operation)) in definition.operations.iter().enumerate() {
        let shape = |end: &str| {
            let shape = operation[end]["shape"].as_str();
            shape.map_or("()".to_owned(), |s| format!("super::{}", pascal(s)))
        };
        let _ = writeln!(
            out,
            "/// `{name}`.\n#[derive(Clone, Copy, Debug)]\npub struct {};\nimpl Operation for {} {{\n    \
             type Input = {};\n    type Output = {};\n    const SPEC: &'static OperationSpec = &super::tables::OPERATIONS[{i}];\n}}",
            pascal(name),
            pascal(name),
            shape("input"),
            shape("output"),
        );
    }
    out.push_str("}\n");
}
