//! The tests of `safelight-media` through its public door.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod samples;
