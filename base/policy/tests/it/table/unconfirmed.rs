//! What AWS's guide leaves open, by name: should a case turn out otherwise, it is changed here.

use super::{ALLOWED, DENIED, Expect, REFUSED};

/// A variable's value that looks like a pattern, held against other text: it is no pattern.
pub(super) const VALUE_AS_A_PATTERN: Expect = REFUSED;
/// The text of a variable without a value, held against itself: AWS is said to leave it as it is.
pub(super) const TEXT_OF_AN_UNKNOWN_VARIABLE: Expect = REFUSED;
/// A Deny whose resource has a variable without a value: it does not match.
pub(super) const DENY_OF_AN_UNKNOWN_RESOURCE: Expect = ALLOWED;
/// A Deny whose `NotResource` has a variable without a value: it matches.
pub(super) const DENY_OF_ALL_BUT_AN_UNKNOWN_RESOURCE: Expect = DENIED;
/// An Allow whose `NotResource` has a variable without a value: it does not match.
pub(super) const ALLOW_OF_ALL_BUT_AN_UNKNOWN_RESOURCE: Expect = REFUSED;
/// An Allow whose condition says that a key is not what an unknown variable is: it does not hold.
pub(super) const ALLOW_UNLESS_UNKNOWN: Expect = REFUSED;
/// A Deny whose condition says that a key is not what an unknown variable is: it holds.
pub(super) const DENY_UNLESS_UNKNOWN: Expect = DENIED;
/// An Allow of iot:Connect without a condition, and a client that wants a persistent session.
pub(super) const PLAIN_ALLOW_OF_A_PERSISTENT_SESSION: Expect = ALLOWED;
/// Index 0 of a certificate's field: the first value, like the plain name.
pub(super) const INDEX_ZERO_IS_THE_FIRST_VALUE: Expect = ALLOWED;
/// Index 1 of a certificate's field: the second value, as in AWS's example and against its text.
pub(super) const INDEX_ONE_IS_THE_SECOND_VALUE: Expect = ALLOWED;
/// A key with several values under an operator without a set prefix: one of them is enough.
pub(super) const ONE_OF_SEVERAL_VALUES: Expect = ALLOWED;
/// The name of a variable, or of a thing's attribute, in other letters: it is the same.
pub(super) const NAME_IN_OTHER_LETTERS: Expect = ALLOWED;
/// An action that AWS does not have, asked for by its name: it may stand in a policy.
pub(super) const UNKNOWN_ACTION: Expect = ALLOWED;
/// `${` without its end: text like any other.
pub(super) const UNFINISHED_VARIABLE: Expect = ALLOWED;
/// `${name, 'text'}` of IAM for a variable without a value.
pub(super) const DEFAULT_OF_A_VARIABLE: Expect = ALLOWED;
/// A pattern of `ArnLike` with fewer parts than an ARN: no ARN fits, whatever its last part is.
pub(super) const ARN_PATTERN_WITH_TOO_FEW_PARTS: Expect = REFUSED;
/// A list of a certificate's values in a resource: any of them may stand there.
pub(super) const LIST_IN_A_RESOURCE: Expect = ALLOWED;
