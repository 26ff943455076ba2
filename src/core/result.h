#pragma once
// Failures as values: core and net never throw for anything a server or a user can cause.

#include <string>
#include <utility>
#include <variant>

namespace polyglot::core {

struct Error {
  std::string message;
  std::string hint;  // what the user can do; may be empty
};

template <typename T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}
  bool ok() const { return std::holds_alternative<T>(state_); }
  T& value() { return std::get<T>(state_); }
  const T& value() const { return std::get<T>(state_); }
  const Error& error() const { return std::get<Error>(state_); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace polyglot::core
