//! One room per outside system behind one HTTP door.

pub mod graph;
pub mod http;
pub mod okta;
pub mod port;
pub mod token;
