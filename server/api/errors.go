package api

import "errors"

// wireError is an error that knows its code, for causes that arise in this package.
type wireError struct {
	code    int16
	message string
}

// fail makes an error with a code and, unless empty, a text other than the code's own.
func fail(code int16, message string) error {
	if message == "" {
		message = codeMessage(code)
	}
	return &wireError{code: code, message: message}
}

// Error is the text that the client is sent.
func (e *wireError) Error() string { return e.message }

// errorCodes is the one table from an error to its code on the wire. The first row that errors.Is finds
// decides.
var errorCodes = []struct {
	err  error
	code int16
}{}

// code is the protocol's code for err: 0 for nil, UNKNOWN_SERVER_ERROR for one that nobody expected.
func code(err error) int16 {
	if err == nil {
		return codeNone
	}
	if e := (*wireError)(nil); errors.As(err, &e) {
		return e.code
	}
	for i := range errorCodes {
		if errors.Is(err, errorCodes[i].err) {
			return errorCodes[i].code
		}
	}
	return codeUnknownServerError
}
