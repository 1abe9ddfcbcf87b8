//! The one HTTP door: every call to the outside leaves through [`Api::send`].
//!
//! An [`Api`] knows one outside API: its address, its credential, what may be asked of it (an
//! allow-list of method and path template), how often and how large. A [`Call`] names a template and
//! fills its places with values; the door encodes them, so no value can change the shape of a request.
//! Redirects are never followed, tokens go to the API's own host only, and reads alone are repeated.
//! An API that does not answer is left alone for a while.

mod answer;
mod api;
mod breaker;
mod call;
mod client;
mod limit;
mod queue;
mod redact;
mod retry_reads;
mod status;

pub use answer::Answer;
pub use api::{Allowed, Api, ApiOptions, BadBase};
pub use call::{Call, Method};
pub use client::{Client, ClientError, ClientOptions, Pool, Proxy, client, first_random_numbers};
pub use limit::Pace;

pub(crate) use client::innermost;
pub(crate) use redact::redacted_of;

#[cfg(test)]
mod door_tests;
#[cfg(test)]
#[cfg(feature = "lab")]
mod trust_tests;
