use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Header fields that a response gets. Empty, it is one null pointer.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseFields(Option<Box<HeaderMap>>);

impl ResponseFields {
    /// Adds a field, and replaces an earlier one of this name.
    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        add(self.0.get_or_insert_default(), name, value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds the fields of another binding.
    pub(crate) fn extend(&mut self, others: Self) {
        match &mut self.0 {
            Some(fields) => others.add_to(fields),
            None => *self = others,
        }
    }

    /// Adds the fields to those of a response.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        for (name, value) in self.0.iter().flat_map(|fields| fields.iter()) {
            add(headers, name.clone(), value.clone());
        }
    }
}

/// Replaces a field. The two that other layers write too, and that are lists, grow.
fn add(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if name == ACCESS_CONTROL_EXPOSE_HEADERS || name == VARY {
        headers.append(name, value);
    } else {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http::header::CACHE_CONTROL;

    use super::*;

    #[test]
    fn fields_replace_those_of_the_response_and_lists_grow() {
        let mut fields = ResponseFields::default();
        fields.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.set(VARY, HeaderValue::from_static("dpop"));
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        headers.insert(VARY, HeaderValue::from_static("accept"));

        fields.add_to(&mut headers);

        assert_eq!(headers.get_all(CACHE_CONTROL).iter().collect::<Vec<_>>(), ["no-store"]);
        assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), ["accept", "dpop"]);
    }
}
