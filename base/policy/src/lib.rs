//! IoT and IAM policy documents: read once, evaluated often, and explained.
//!
//! [`Document::parse`] checks the text and splits every pattern; [`evaluate`] then decides a
//! request against any number of documents, and allocates only where a pattern has variables;
//! [`hints`] says what a refused request lacks, and [`missing`] which values it would have needed.
//! All are pure: what a request is about comes in through [`Context`].

mod condition;
mod context;
mod document;
mod evaluate;
mod explain;
mod json;
mod malformed;
mod operator;
mod pattern;
mod variables;

pub use context::{Context, ContextMap};
pub use document::{Dialect, Document, Effect, Version, document_length_without_whitespace};
pub use evaluate::{Decision, Mismatch, Nearest, Place, Request, allows, evaluate, missing};
pub use explain::hints;
pub use malformed::Malformed;
