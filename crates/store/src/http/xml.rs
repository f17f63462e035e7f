//! Small XML answers as trees: names without their prefixes, text, children.
//!
//! Answers come from servers that may be hostile: no entities but the five of XML, no documents nested or
//! long beyond need.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper than any answer that is read here.
const MOST_DEPTH: usize = 32;

/// An element of an XML document.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

impl Element {
    /// Reads a document; nothing when it is not well-formed.
    pub(crate) fn parse(document: &str) -> Option<Self> {
        let mut reader = Reader::from_str(document);
        let mut open: Vec<Self> = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    if open.len() > MOST_DEPTH {
                        return None;
                    }
                    open.push(Self { name: start.local_name().as_ref().to_owned(), ..Self::default() });
                }
                Event::Empty(empty) => {
                    let name = empty.local_name().as_ref().to_owned();
                    open.last_mut()?.children.push(Self { name, ..Self::default() });
                }
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref().ok()? {
                        Some(character) => character,
                        None => match reference.xml10_content().as_ref() {
                            "lt" => '<',
                            "gt" => '>',
                            "amp" => '&',
                            "apos" => '\'',
                            "quot" => '"',
                            _ => return None,
                        },
                    };
                    open.last_mut()?.text.push(character);
                }
                Event::DocType(_) => return None,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        let [root] = open.as_mut_slice() else { return None };
        root.children.pop()
    }

    /// The children of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_entities_and_empty_elements_are_read() {
        let root = Element::parse(
            "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a%20b&amp;&#228;</D:href>\
             <lp1:resourcetype><D:collection/></lp1:resourcetype></D:response></D:multistatus>",
        )
        .expect("well-formed");
        assert_eq!(root.name, "multistatus");
        let response = root.child("response").expect("one");
        assert_eq!(response.text_of("href"), Some("/a%20b&ä"));
        assert!(response.child("resourcetype").and_then(|kind| kind.child("collection")).is_some());
    }

    #[test]
    fn entities_of_its_own_and_endless_nesting_are_refused() {
        assert!(Element::parse("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>").is_none());
        assert!(Element::parse("<a>&b;</a>").is_none());
        assert!(Element::parse(&"<a>".repeat(100)).is_none());
        assert!(Element::parse("<a><b></a>").is_none());
        assert!(Element::parse("").is_none());
    }
}
