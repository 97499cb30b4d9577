// A client over HTTP that is only a socket, and so can do what no library would.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vigil {

// Everything that waits does so for long enough for any machine.
class HttpClient {
 public:
  // Connects to this port of 127.0.0.1. With a `receive_buffer` the kernel keeps about so many
  // bytes for a client that does not read.
  explicit HttpClient(int port, int receive_buffer = 0);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  void Send(std::string_view text);
  // A whole request for this target; `headers` is lines that end with \r\n.
  void Get(std::string_view target, std::string_view headers = "");
  // Nothing more will be sent.
  void ShutDownSending();
  // The server's kernel hears of it at once.
  void Reset();

  // Reads on until this stands in what was read and not taken yet, and takes all up to its end.
  // Nothing when it does not come.
  std::optional<std::string> TakeUpTo(std::string_view end);
  std::optional<std::string> Take(size_t bytes);
  // Everything up to the end of the connection; nothing when that does not come.
  std::optional<std::string> TakeRest();

 private:
  // False at the end, or when nothing comes.
  bool ReadMore();

  int socket_ = -1;
  std::string read_;
  bool ended_ = false;
};

// A response that is not a stream.
struct HttpResponse {
  int status = 0;
  std::string head;
  std::string body;
};
HttpResponse TakeResponse(HttpClient& client);
// The same for one request on a connection of its own.
HttpResponse Fetch(int port, std::string_view target, std::string_view headers = "");

// What a block of an event stream says.
struct StreamBlock {
  std::string event;
  std::string data;
  // As an EventSource would have it after the block.
  std::string last_event_id;
};

// An EventSource without its reconnecting.
class EventStream {
 public:
  EventStream(int port, std::string_view target, std::string_view headers = "",
              int receive_buffer = 0);

  HttpClient& client() { return client_; }
  // 0 when no response came.
  int status() const { return status_; }
  const std::string& head() const { return head_; }
  const std::string& retry() const { return retry_; }
  const std::string& last_event_id() const { return last_event_id_; }
  // Comments so far.
  int comments() const { return comments_; }

  // The next block with data; nothing at the end of the response.
  std::optional<StreamBlock> Next();
  // The next one with this name; what comes before is dropped.
  std::optional<StreamBlock> Await(std::string_view event);
  // Reads on until the id is this one; blocks with data are dropped.
  bool AwaitId(std::string_view id);
  // Whether the response came to its end as HTTP has it, and not by the loss of the connection.
  bool complete() const { return complete_; }

 private:
  // One line of the body, without its end.
  std::optional<std::string> NextLine();
  // A block that may be an id alone.
  std::optional<StreamBlock> NextBlock();

  HttpClient client_;
  std::string head_;
  int status_ = 0;
  std::string body_;
  std::string retry_;
  std::string last_event_id_;
  int comments_ = 0;
  bool complete_ = false;
};

}  // namespace vigil
