//! Requests over HTTP.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::{Crm, with};
use crate::answer::Answer;

impl Crm {
    /// A request to the last process, with the owner's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let process = self.processes.len() - 1;
        self.request_to(process, method, path)
    }

    /// A request to a process, with the owner's key.
    pub fn request_to(&self, process: usize, method: Method, path: &str) -> RequestBuilder {
        self.request_as(process, &self.key, method, path)
    }

    /// A request to a process, with this key.
    pub fn request_as(
        &self,
        process: usize,
        key: &str,
        method: Method,
        path: &str,
    ) -> RequestBuilder {
        let url = format!("{}{path}", self.processes[process].url());
        let request = self.client.request(method, url);
        if key.is_empty() {
            request
        } else {
            request.header("X-API-Key", key)
        }
    }

    /// Sends it.
    ///
    /// # Panics
    ///
    /// Where there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.expect("an answer"))
            .await
            .expect("all of it")
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Creates or does.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(with(self.request(Method::POST, path), &body))
            .await
    }

    /// Changes.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(with(self.request(Method::PATCH, path), &body))
            .await
    }

    /// Removes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }
}
