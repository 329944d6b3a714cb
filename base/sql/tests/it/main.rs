//! What statements give, row by row, as `tests/conformance/*.txt` say; their README has the form.

extern crate ferrite_sql as sql;

mod conformance;
