//! The words that every layer shares: accounts, regions, tenants, ARNs and points in time.
//!
//! Nothing here reads a clock or a random source, and every value is checked where it is made.

mod account;
mod arn;
mod secret;
mod tenant;
mod timestamp;

pub use account::{AccountId, InvalidAccountId};
pub use arn::{Arn, InvalidArn};
pub use secret::Secret;
pub use tenant::{InvalidRegion, Region, Tenant, TenantId};
pub use timestamp::{InvalidTimestamp, Timestamp};
