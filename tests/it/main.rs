//! The one integration binary.

#[cfg(test)]
#[cfg(unix)]
mod aborts;
#[cfg(test)]
mod administrators;
#[cfg(test)]
mod contracts;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod credentials;
mod demo;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fuse;
#[cfg(test)]
mod guardrails;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kill9;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod merges;
#[cfg(test)]
mod model;
#[cfg(test)]
mod okta_sign_in;
#[cfg(test)]
#[path = "../../src/lab/tests/openapi.rs"]
mod openapi;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod parts;
#[cfg(test)]
#[path = "../../src/journal/postgres/testing/server.rs"]
mod postgres;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod safety;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod told;
#[cfg(test)]
mod triggers;
#[cfg(test)]
mod verbs;
#[cfg(test)]
mod words;
#[cfg(test)]
mod world;
