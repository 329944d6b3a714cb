//! Names of months, days and halves of days, in English.

/// January to December.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Monday to Sunday.
pub(super) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Before noon and after.
pub(super) const HALVES: [&str; 2] = ["AM", "PM"];

/// The first three letters, by which months and days are shortened.
pub(super) fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}
