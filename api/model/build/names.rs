//! Names of the models as Rust spells them.

pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            out.push('_');
            continue;
        }
        let previous = i.checked_sub(1).and_then(|p| chars.get(p));
        let after_lower = previous.is_some_and(|p| p.is_ascii_lowercase() || p.is_ascii_digit());
        let ends_acronym = previous.is_some_and(char::is_ascii_uppercase)
            && chars.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_lower || ends_acronym) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    match out.as_str() {
        "type" | "match" | "where" | "in" | "ref" | "use" | "async" | "enum" | "struct"
        | "static" | "mod" | "fn" | "loop" | "move" | "box" | "final" | "override" | "do" => {
            format!("r#{out}")
        }
        _ => out,
    }
}

/// `AWS_SQL`, `in-progress`, `iot:Data-ATS` as an enum variant's name.
pub(crate) fn variant(value: &str) -> String {
    let mut out = String::new();
    for word in value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
        let is_upper = !word.chars().any(|c| c.is_ascii_lowercase());
        for (i, c) in word.chars().enumerate() {
            match i {
                0 => out.push(c.to_ascii_uppercase()),
                _ if is_upper => out.push(c.to_ascii_lowercase()),
                _ => out.push(c),
            }
        }
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) || out.is_empty() || out == "Self" {
        out.insert(0, 'V');
    }
    out
}

/// The first letter in upper case: greengrass names some shapes in camelCase.
pub(crate) fn pascal(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |c| c.to_ascii_uppercase().to_string() + chars.as_str())
}
