#!/bin/sh
read -r line && echo "somebody talks to me: $line"
echo "I greet $1 $2 times"
printf '{"name":"greeting","value":"hello %s"}\n' "$1" >> "$3"
echo '{"name":"list","value":["a","b"]}' >> "$3"
echo '{"name":"PLACE","value":"here"}' >> "$4"
