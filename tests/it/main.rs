//! The one integration binary.

#[cfg(test)]
mod administrators;
#[cfg(test)]
mod crashes;
mod demo;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod guardrails;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kill9;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod world;
