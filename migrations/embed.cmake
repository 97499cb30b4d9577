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
  # Those from before this rule serve nobody older.
  set(serves "${version}")
  if(version GREATER 8)
    if(NOT sql MATCHES "^-- Serves servers from ([0-9][0-9][0-9][0-9])\\.\n")
      message(FATAL_ERROR "${file}: its first line is `-- Serves servers from NNNN.`")
    endif()
    string(REGEX REPLACE "^0+" "" serves "${CMAKE_MATCH_1}")
    if(serves GREATER version)
      message(FATAL_ERROR "${file}: it serves servers that know it, at least")
    endif()
  endif()
  string(APPEND entries "        {${version}, \"${noun}\", R\"sql(${sql})sql\", ${serves}},\n")
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
