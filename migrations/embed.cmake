# cmake -DDIRECTORY=... -DOUTPUT=... -P embed.cmake: writes the migrations of a directory as C++.
file(GLOB files "${DIRECTORY}/[0-9]*.sql")
list(SORT files)
set(entries "")
foreach(file ${files})
  get_filename_component(stem "${file}" NAME_WE)
  if(NOT stem MATCHES "^([0-9][0-9][0-9][0-9])_([a-z_]+)$")
    message(FATAL_ERROR "${file}: a migration is named NNNN_noun.sql")
  endif()
  set(noun "${CMAKE_MATCH_2}")
  string(REGEX REPLACE "^0+" "" version "${CMAKE_MATCH_1}")
  file(READ "${file}" sql)
  string(APPEND entries "        {${version}, \"${noun}\", R\"sql(${sql})sql\"},\n")
endforeach()
set(text "// Made from migrations/ by embed.cmake.
#include \"store/postgres/schema.h\"

namespace vigil {

const pg::Schema& PostgresSchema() {
  static const pg::Schema schema{
      \"vigil\",
      \"vigild migrate up\",
      {
${entries}      }};
  return schema;
}

}  // namespace vigil
")
file(WRITE "${OUTPUT}" "${text}")
