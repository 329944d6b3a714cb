//! The kinds of record: the second field of every key. A number is never used again.

use store::Kind;

/// Accounts, by id (global).
pub const ACCOUNT: Kind = Kind(1);
/// Access keys, by id (global).
pub const ACCESS_KEY: Kind = Kind(2);
/// Access keys of an account, by (account, id) (global).
pub const ACCOUNT_ACCESS_KEY: Kind = Kind(3);
/// Numbers of tenants, by (account, region) (global).
pub const TENANT: Kind = Kind(4);
/// The next tenant's number (global).
pub const TENANT_COUNTER: Kind = Kind(5);
/// The audit trail, by (time, request) (global).
pub const AUDIT: Kind = Kind(6);
/// The server's own keys and certificates, by name (global).
pub const SERVER_KEY: Kind = Kind(7);
/// Timers, by (kind of timer, due, tenant, id) (global).
pub const TIMER: Kind = Kind(8);
/// Messages that follow from changes and are to be published, by (time, server, number) (global).
pub const OUTBOX: Kind = Kind(9);

/// Things, by name.
pub const THING: Kind = Kind(16);
/// Things of a type, by (type, name).
pub const THING_BY_TYPE: Kind = Kind(17);
/// Things by attribute, by (attribute, value, name).
pub const THING_BY_ATTRIBUTE: Kind = Kind(18);
/// Things of a type by attribute, by (type, attribute, value, name).
pub const THING_BY_TYPE_ATTRIBUTE: Kind = Kind(19);
/// Principals of a thing, by (thing, principal).
pub const THING_PRINCIPAL: Kind = Kind(20);
/// Things of a principal, by (principal, thing).
pub const PRINCIPAL_THING: Kind = Kind(21);
/// Thing types, by name.
pub const THING_TYPE: Kind = Kind(22);
/// What binds a principal as a whole (the thing it belongs to exclusively), by principal.
pub const PRINCIPAL: Kind = Kind(23);
/// Billing groups, by name.
pub const BILLING_GROUP: Kind = Kind(28);
/// Things of a billing group, by (group, name).
pub const THING_BY_BILLING_GROUP: Kind = Kind(29);
/// Which events of the registry are told of, all in one record.
pub const EVENT_CONFIGURATIONS: Kind = Kind(30);

/// Certificates, by id.
pub const CERTIFICATE: Kind = Kind(32);
/// Certificates by creation, by (time, id).
pub const CERTIFICATE_BY_TIME: Kind = Kind(33);
/// In which tenants a certificate is registered, by (certificate id, tenant) (global).
pub const CERTIFICATE_TENANT: Kind = Kind(34);
/// Certificates that a CA signed, by (CA's id, time, id).
pub const CERTIFICATE_BY_CA: Kind = Kind(35);
/// CA certificates, by id.
pub const CA_CERTIFICATE: Kind = Kind(36);
/// CA certificates by creation, by (time, id).
pub const CA_CERTIFICATE_BY_TIME: Kind = Kind(37);
/// CA certificates that provision by a template, by (template, time, id).
pub const CA_CERTIFICATE_BY_TEMPLATE: Kind = Kind(38);
/// The CA certificates of a tenant with one subject, all in one record, by (subject, tenant)
/// (global).
pub const CA_CERTIFICATE_SUBJECT: Kind = Kind(39);
/// Which tenant has a CA certificate in DEFAULT mode, by its id (global).
pub const CA_CERTIFICATE_OWNER: Kind = Kind(40);
/// What proves that a tenant holds the key of a CA.
pub const REGISTRATION_CODE: Kind = Kind(41);
/// Certificates that an account may accept, by (account, region, id) (global).
pub const CERTIFICATE_TRANSFER: Kind = Kind(42);
/// Certificates that are on their way to another account, by (time, id).
pub const CERTIFICATE_OUTGOING: Kind = Kind(43);
/// The certificate provider of a tenant.
pub const CERTIFICATE_PROVIDER: Kind = Kind(44);

/// Policies, by name.
pub const POLICY: Kind = Kind(48);
/// Versions of a policy, by (policy, number).
pub const POLICY_VERSION: Kind = Kind(49);
/// The policies of a target, all in one record, by target.
pub const TARGET_POLICY: Kind = Kind(50);
/// Targets of a policy, by (policy, target).
pub const POLICY_TARGET: Kind = Kind(51);

/// Retained messages, by topic.
pub const RETAINED_MESSAGE: Kind = Kind(80);
/// What lists tell of retained messages, by topic.
pub const RETAINED_SUMMARY: Kind = Kind(81);
/// How many retained messages there are.
pub const RETAINED_COUNT: Kind = Kind(82);
/// Persistent sessions, by client id.
pub const SESSION: Kind = Kind(83);
/// Subscriptions of persistent sessions, by (client id, filter).
pub const SESSION_SUBSCRIPTION: Kind = Kind(84);
/// The queues of shared subscriptions with a persistent session among their members, by filter.
pub const SHARED_GROUP: Kind = Kind(85);

/// Classic shadows, by thing.
pub const CLASSIC_SHADOW: Kind = Kind(112);
/// Named shadows, by (thing, name).
pub const NAMED_SHADOW: Kind = Kind(113);
/// Shadows that were deleted lately, by thing, and `~` with the shadow's name.
pub const SHADOW_TOMBSTONE: Kind = Kind(114);

/// Versions of shadows, by (thing, and `~` with the shadow's name; version).
pub const SHADOW_HISTORY: Kind = Kind(115);

/// Topic rules, by name.
pub const TOPIC_RULE: Kind = Kind(116);
/// How many topic rules there are.
pub const TOPIC_RULE_COUNT: Kind = Kind(117);
/// Destinations of topic rules, by id.
pub const RULE_DESTINATION: Kind = Kind(118);
/// Destinations of topic rules, by confirmation URL.
pub const RULE_DESTINATION_BY_URL: Kind = Kind(119);
/// How many destinations of topic rules there are.
pub const RULE_DESTINATION_COUNT: Kind = Kind(120);
/// Messages that no action of a rule has taken, by (rule, id).
pub const RULE_DEAD_LETTER: Kind = Kind(121);
/// Local tables that stand for DynamoDB's, by name.
pub const TARGET_TABLE: Kind = Kind(122);
/// Items of local tables, by (table, partition key, sort key).
pub const TARGET_ITEM: Kind = Kind(123);
/// Local streams that stand for queues, topics and streams of AWS (global), by (tenant, service,
/// name).
pub const TARGET_STREAM: Kind = Kind(124);
/// Records of local streams, by (service, name, offset of the first).
pub const TARGET_BLOCK: Kind = Kind(125);
/// How far webhooks of local topics have come, by topic.
pub const TARGET_WEBHOOK: Kind = Kind(126);

/// Tags, by resource ARN.
pub const TAGS: Kind = Kind(64);

/// Thing groups, static and dynamic, by name.
pub const THING_GROUP: Kind = Kind(96);
/// Direct children of a thing group, by (parent, name); the parent of a root is empty.
pub const THING_GROUP_CHILD: Kind = Kind(97);
/// All that is below a thing group, by (ancestor, name).
pub const THING_GROUP_DESCENDANT: Kind = Kind(98);
/// How many direct children a thing group has, by name.
pub const THING_GROUP_CHILD_COUNT: Kind = Kind(99);
/// How many dynamic thing groups there are.
pub const DYNAMIC_THING_GROUP_COUNT: Kind = Kind(100);
/// The groups that a thing is in, all in one record, by thing.
pub const THING_GROUP_MEMBERSHIP: Kind = Kind(101);
/// Things of a group, by (root, …, group, an empty name, thing).
pub const THING_GROUP_MEMBER: Kind = Kind(102);
