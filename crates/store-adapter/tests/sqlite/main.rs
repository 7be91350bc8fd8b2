//! What is particular to the store in a file: rights, versions, trouble with the disk. What holds for every store is in the
//! package `partyline-tests`.

mod files;
mod flow;
mod support;
mod trouble;
